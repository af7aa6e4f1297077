//! The devices of a measurement: registered, given their timeouts and tokens; and what Pulso says of them afterwards.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use pulso_shared::ids::DeviceId;
use serde_json::json;

use super::sender::Sender;
use super::timeline::Timeline;
use crate::account::{Account, AccountArgs};
use crate::api_client::CallError;
use crate::device_token::exchange_all;
use crate::enrolment::{EnrolledDevice, enrol};
use crate::failure::Failure;
use crate::screen::Screen;

const MAX_CALLS_IN_FLIGHT: usize = 16;

/// Settings of the devices.
#[derive(Debug, Clone)]
pub struct PopulationSpec {
    /// Their owner, and the API.
    pub owner: AccountArgs,
    /// First part of their names.
    pub name_prefix: String,
    /// Their number.
    pub devices: NonZeroUsize,
    /// How long each may be silent, s.
    pub offline_after_s: u32,
    /// Between two heartbeats of each.
    pub interval: Duration,
}

/// Devices that can send.
pub struct Population {
    spec: PopulationSpec,
    devices: Vec<EnrolledDevice>,
    tokens: Vec<String>,
}

impl Population {
    /// Registers them where they are missing, and sets how long they may be silent.
    pub async fn enrol(spec: PopulationSpec, screen: &Screen) -> Result<Self, Failure> {
        let account = Account::sign_in(&spec.owner).await?;
        let devices = enrol(&account, &spec.name_prefix, spec.devices.get(), screen).await?;
        set_timeouts(&account, &devices, spec.offline_after_s).await?;
        let tokens = exchange_all(&account.client, &devices).await?;
        Ok(Self { spec, devices, tokens })
    }

    /// Their ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = DeviceId> {
        self.devices.iter().map(|device| device.id)
    }

    /// Their settings.
    pub fn spec(&self) -> &PopulationSpec {
        &self.spec
    }

    /// How long each may be silent.
    pub fn offline_after(&self) -> TimeDelta {
        TimeDelta::seconds(self.spec.offline_after_s.into())
    }

    /// A sender for each of them, in order.
    pub async fn senders(&self) -> Result<Vec<Sender>, Failure> {
        let account = Arc::new(Account::sign_in(&self.spec.owner).await?);
        let pairs = self.devices.iter().zip(&self.tokens);
        let senders = pairs.map(|(device, token)| Sender {
            account: Arc::clone(&account),
            id: device.id,
            index: device.index,
            token: token.clone(),
        });
        Ok(senders.collect())
    }

    /// Their timelines since then, in order.
    pub async fn timelines(&self, since: DateTime<Utc>) -> Result<Vec<Timeline>, Failure> {
        // Signed in again: the devices may run for longer than a token is valid.
        let account = &Account::sign_in(&self.spec.owner).await?;
        let start = since.format("%Y-%m-%dT%H:%M:%S%.6fZ");
        let calls = self.devices.iter().map(|device| {
            let route = format!("/api/v1/devices/{}/timeline?start={start}&limit=1000", device.id);
            let address = account.client.address(&route);
            async move { account.client.call(|http| http.get(&address).bearer_auth(account.token())).await }
        });
        // A bounded number at a time; the results stay in order.
        let timelines: Result<_, CallError> = stream::iter(calls).buffered(MAX_CALLS_IN_FLIGHT).try_collect().await;
        Ok(timelines?)
    }
}

async fn set_timeouts(account: &Account, devices: &[EnrolledDevice], offline_after_s: u32) -> Result<(), CallError> {
    let body = &json!({ "offline_after_s": offline_after_s });
    let calls = stream::iter(devices).map(|device| async move {
        let address = account.client.address(&format!("/api/v1/devices/{}", device.id));
        let patch = |http: &reqwest::Client| http.patch(&address).bearer_auth(account.token()).json(body);
        account.client.response(patch).await.map(|_| ())
    });
    calls.buffer_unordered(MAX_CALLS_IN_FLIGHT).try_collect().await
}
