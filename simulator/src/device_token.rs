//! A device's access token: exchanged for its secret, and again before it runs out.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::api_client::{ApiClient, CallError};
use crate::enrolment::EnrolledDevice;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 16;

/// A token and when to get the next one.
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
    ///
    /// # Errors
    /// When the secret does not count any more, or the API stays away.
    pub async fn exchange(client: &ApiClient, device: &EnrolledDevice) -> Result<Self, CallError> {
        let asked_at = Instant::now();
        let body = json!({ "device_id": device.id, "secret": device.secret.expose_secret() });
        let address = client.address("/api/v1/auth/device");
        let token: TokenResponse = client.call(|http| http.post(&address).json(&body)).await?;
        // At nine tenths of its life: clocks differ, and the exchange may have to be tried again.
        let life = Duration::from_secs(u64::from(token.expires_in)).mul_f64(0.9);
        Ok(Self { value: token.access_token.into(), renew_at: asked_at + life })
    }

    /// The token, while it is good.
    #[must_use]
    pub fn good(&self) -> Option<&str> {
        (Instant::now() < self.renew_at).then(|| self.value.expose_secret())
    }
}

/// The tokens of many devices, in their order.
///
/// # Errors
/// When one is refused, or the API stays away.
pub async fn exchange_all(client: &ApiClient, devices: &[EnrolledDevice]) -> Result<Vec<String>, CallError> {
    let tokens = stream::iter(devices).map(|device| async move {
        DeviceToken::exchange(client, device).await.map(|token| token.value.expose_secret().to_owned())
    });
    tokens.buffered(CALLS_AT_ONCE).try_collect().await
}
