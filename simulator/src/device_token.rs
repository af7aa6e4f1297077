//! A device's access token: exchanged for its secret, and again before it expires.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::api_client::{ApiClient, CallError};
use crate::enrolment::EnrolledDevice;

const MAX_CALLS_IN_FLIGHT: usize = 16;

/// An access token, and when to renew it.
pub struct DeviceToken {
    value: SecretString,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: u32,
}

impl DeviceToken {
    /// Exchanges a device's secret for a token.
    pub async fn exchange(client: &ApiClient, device: &EnrolledDevice) -> Result<Self, CallError> {
        let requested_at = Instant::now();
        let body = json!({ "device_id": device.id, "secret": device.secret.expose_secret() });
        let address = client.address("/api/v1/auth/device");
        let token: TokenResponse = client.call(|http| http.post(&address).json(&body)).await?;
        // At nine tenths of its lifetime: clocks differ, and the exchange may have to be retried.
        let lifetime = Duration::from_secs(u64::from(token.expires_in)).mul_f64(0.9);
        Ok(Self { value: token.access_token.into(), renew_at: requested_at + lifetime })
    }

    /// The token, until it is to be renewed.
    pub fn current(&self) -> Option<&str> {
        (Instant::now() < self.renew_at).then(|| self.value.expose_secret())
    }
}

/// The tokens of many devices, in their order.
pub async fn exchange_all(client: &ApiClient, devices: &[EnrolledDevice]) -> Result<Vec<String>, CallError> {
    let tokens = stream::iter(devices).map(|device| async move {
        DeviceToken::exchange(client, device).await.map(|token| token.value.expose_secret().to_owned())
    });
    tokens.buffered(MAX_CALLS_IN_FLIGHT).try_collect().await
}
