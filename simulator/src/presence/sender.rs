//! The calls of one device, and of its owner about it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use pulso_shared::ids::DeviceId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::Account;
use crate::api_client::retry_after;
use crate::load::HEARTBEATS;

/// Longer than the API takes to answer 503, which is 5 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);

/// Sends as one device.
#[derive(Clone)]
pub struct Sender {
    /// The device's owner, whose client makes all calls.
    pub account: Arc<Account>,
    /// The device's id.
    pub id: DeviceId,
    /// Its place in the population.
    pub index: usize,
    /// Its access token.
    pub token: String,
}

/// There was no 2xx.
#[derive(Debug, Clone, Copy)]
pub struct NotAccepted {
    /// The response's `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Sender {
    /// Sends heartbeats with these timestamps, in one request.
    pub async fn send(&self, timestamps: &[DateTime<Utc>]) -> Result<(), NotAccepted> {
        let address = self.account.client.address(HEARTBEATS);
        let request = self.account.client.http().post(address).timeout(RESPONSE_TIMEOUT).bearer_auth(&self.token);
        match request.json(&body(timestamps)).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(NotAccepted { retry_after: retry_after(&response) }),
            Err(_) => Err(NotAccepted { retry_after: None }),
        }
    }

    /// GET `route`/{id}, as the device's owner.
    pub async fn get_as_owner<T: DeserializeOwned>(&self, route: &str) -> Option<T> {
        let address = self.account.client.address(&format!("{route}/{}", self.id));
        let request = self.account.client.http().get(address).bearer_auth(self.account.token());
        request.send().await.ok()?.json().await.ok()
    }

    /// A seed of the device's own.
    pub fn seed(&self) -> u64 {
        u64::try_from(self.index).unwrap_or(0)
    }
}

fn body(timestamps: &[DateTime<Utc>]) -> Value {
    let heartbeat = |at: &DateTime<Utc>| json!({ "timestamp": at.to_rfc3339_opts(SecondsFormat::Micros, true) });
    match timestamps {
        [one] => heartbeat(one),
        several => several.iter().map(heartbeat).collect(),
    }
}
