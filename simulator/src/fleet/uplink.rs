//! A device's calls to the API: its token, its requests, what the responses mean.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::payload::Kind;
use crate::api_client::{ApiClient, CallError, retry_after as retry_after_of};
use crate::device_token::DeviceToken;
use crate::enrolment::EnrolledDevice;

/// What became of a request.
#[derive(Debug)]
pub enum SendResult {
    /// So many items were accepted, after so long.
    Accepted(u64, Duration),
    /// A retry will not help; the response.
    Refused(String),
    /// To be retried, after the response's `Retry-After`.
    Retry(Option<Duration>),
    /// The device's secret was revoked: the device was deleted, or another fleet of this name got a new secret for it.
    Revoked,
}

/// The part of a response that is needed.
#[derive(Deserialize)]
struct IngestResponse {
    accepted: u64,
}

/// Sends for one device.
pub struct Uplink {
    client: ApiClient,
    device: EnrolledDevice,
    token: Option<DeviceToken>,
}

impl Uplink {
    /// The uplink of `device`; makes no call yet.
    pub fn new(client: ApiClient, device: EnrolledDevice) -> Self {
        Self { client, device, token: None }
    }

    /// Sends a body, with a valid token.
    pub async fn send(&mut self, kind: Kind, body: Vec<u8>) -> SendResult {
        let token = match self.token().await {
            Ok(token) => token,
            Err(CallError::Refused { status, .. }) if status.is_client_error() => return SendResult::Revoked,
            Err(_) => return SendResult::Retry(None),
        };
        let address = self.client.address(kind.route());
        let request = self.client.http().post(address).bearer_auth(token).header(CONTENT_TYPE, "application/json");
        let sent_at = Instant::now();
        let Ok(response) = request.body(body).send().await else { return SendResult::Retry(None) };
        let (status, retry_after) = (response.status(), retry_after_of(&response));
        let Ok(body) = response.bytes().await else { return SendResult::Retry(None) };
        match status {
            _ if status.is_success() => SendResult::Accepted(accepted_count(&body), sent_at.elapsed()),
            StatusCode::UNAUTHORIZED => {
                // The next attempt exchanges the secret for a new token, which shows whether the device still exists.
                self.token = None;
                SendResult::Retry(None)
            }
            StatusCode::TOO_MANY_REQUESTS => SendResult::Retry(retry_after),
            _ if status.is_server_error() => SendResult::Retry(retry_after),
            _ => SendResult::Refused(format!("{status}: {}", String::from_utf8_lossy(&body))),
        }
    }

    async fn token(&mut self) -> Result<String, CallError> {
        if let Some(token) = self.token.as_ref().and_then(DeviceToken::current) {
            return Ok(token.to_owned());
        }
        let token = self.token.insert(DeviceToken::exchange(&self.client, &self.device).await?);
        Ok(token.current().unwrap_or_default().to_owned())
    }
}

fn accepted_count(body: &[u8]) -> u64 {
    serde_json::from_slice::<IngestResponse>(body).map_or(0, |response| response.accepted)
}
