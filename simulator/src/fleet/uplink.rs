//! A device's way to the API: its token, its requests, what the answers mean.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::payload::Kind;
use crate::api_client::{ApiClient, CallError, retry_after};
use crate::device_token::DeviceToken;
use crate::enrolment::EnrolledDevice;

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// So many items were taken, after so long.
    Taken(u64, Duration),
    /// Sending it again will not help; what the answer said.
    Refused(String),
    /// To be sent again, not before the server's advice.
    Later(Option<Duration>),
    /// The device's secret does not count any more: it was deleted, or somebody else took its place.
    Gone,
}

/// The part of an answer that matters.
#[derive(Deserialize)]
struct Taken {
    accepted: u64,
}

/// Sends for one device.
pub struct Uplink {
    client: ApiClient,
    device: EnrolledDevice,
    token: Option<DeviceToken>,
}

impl Uplink {
    /// The way of `device`; asks for nothing yet.
    #[must_use]
    pub fn new(client: ApiClient, device: EnrolledDevice) -> Self {
        Self { client, device, token: None }
    }

    /// Sends a body, with a token that is good.
    pub async fn send(&mut self, kind: Kind, body: Vec<u8>) -> Outcome {
        let token = match self.token().await {
            Ok(token) => token,
            Err(CallError::Refused { status, .. }) if status.is_client_error() => return Outcome::Gone,
            Err(_) => return Outcome::Later(None),
        };
        let address = self.client.address(kind.route());
        let request = self.client.http().post(address).bearer_auth(token).header(CONTENT_TYPE, "application/json");
        let sent_at = Instant::now();
        let Ok(response) = request.body(body).send().await else { return Outcome::Later(None) };
        let (status, advised) = (response.status(), retry_after(&response));
        let Ok(answer) = response.bytes().await else { return Outcome::Later(None) };
        match status {
            _ if status.is_success() => Outcome::Taken(taken(&answer), sent_at.elapsed()),
            StatusCode::UNAUTHORIZED => {
                // The next attempt gets a new one, and learns whether the device still exists.
                self.token = None;
                Outcome::Later(None)
            }
            StatusCode::TOO_MANY_REQUESTS => Outcome::Later(advised),
            _ if status.is_server_error() => Outcome::Later(advised),
            _ => Outcome::Refused(format!("{status}: {}", String::from_utf8_lossy(&answer))),
        }
    }

    async fn token(&mut self) -> Result<String, CallError> {
        if let Some(token) = self.token.as_ref().and_then(DeviceToken::good) {
            return Ok(token.to_owned());
        }
        let token = self.token.insert(DeviceToken::exchange(&self.client, &self.device).await?);
        Ok(token.good().unwrap_or_default().to_owned())
    }
}

fn taken(answer: &[u8]) -> u64 {
    serde_json::from_slice::<Taken>(answer).map_or(0, |taken| taken.accepted)
}
