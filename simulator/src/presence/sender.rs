//! The calls of one device.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use pulso_shared::ids::DeviceId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::Account;
use crate::api_client::retry_after;
use crate::load_command::HEARTBEATS;

/// A device waits no longer for an answer; Pulso gives itself 5 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// Sends as one device.
#[derive(Clone)]
pub struct Sender {
    /// Makes the calls; the device's owner.
    pub account: Arc<Account>,
    /// Which device.
    pub id: DeviceId,
    /// Its place among them.
    pub index: usize,
    /// Its token.
    pub token: String,
}

/// It was not accepted, or nobody answered.
#[derive(Debug, Clone, Copy)]
pub struct NotAccepted {
    /// When to come again, where that was said.
    pub advised: Option<Duration>,
}

impl Sender {
    /// Sends heartbeats of these instants, in one request.
    ///
    /// # Errors
    /// When there is no 2xx.
    pub async fn send(&self, timestamps: &[DateTime<Utc>]) -> Result<(), NotAccepted> {
        let address = self.account.client.address(HEARTBEATS);
        let request = self.account.client.http().post(address).timeout(ANSWER_TIMEOUT).bearer_auth(&self.token);
        match request.json(&body(timestamps)).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(NotAccepted { advised: retry_after(&response) }),
            Err(_) => Err(NotAccepted { advised: None }),
        }
    }

    /// What Pulso answers the device's owner at `route`/{id}.
    pub async fn ask_as_owner<T: DeserializeOwned>(&self, route: &str) -> Option<T> {
        let address = self.account.client.address(&format!("{route}/{}", self.id));
        let request = self.account.client.http().get(address).bearer_auth(self.account.token());
        request.send().await.ok()?.json().await.ok()
    }

    /// Chance of its own.
    #[must_use]
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
