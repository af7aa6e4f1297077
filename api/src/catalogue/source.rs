//! The feed's address: fetched when an administrator asks for it, within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::feed::Feed;
use crate::error::ApiError;
use crate::extract::json::parse;

/// An administrator waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A thousand items with all that we do not read of them.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// From an older address to a newer one, and from http to https.
const MAX_REDIRECTS: usize = 3;

/// Why there is no feed; for the operator.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Status(reqwest::StatusCode),
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// Fetches the feed's items.
///
/// # Errors
/// 422 when there is no address, 503 when nothing usable comes from it.
pub async fn fetch(url: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let url = url.filter(|url| !url.is_empty()).ok_or_else(|| {
        ApiError::field("products", "required", "is required, since this installation has no CATALOGUE_URL")
    })?;
    let bytes = download(url).await.map_err(|error| unusable(error.to_string()))?;
    let feed = parse::<Feed>(&bytes).map_err(|error| unusable(error.to_string()))?;
    feed.items.ok_or_else(|| unusable("it has no products".to_owned()))
}

fn unusable(cause: String) -> ApiError {
    ApiError::Unavailable { what: "The catalogue's source", cause }
}

async fn download(url: &str) -> Result<Vec<u8>, SourceError> {
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::limited(MAX_REDIRECTS));
    let client = client.tls_backend_preconfigured(tls()?).build()?;
    let response = client.get(url).send().await?;
    if response.status().is_success() { read(response).await } else { Err(SourceError::Status(response.status())) }
}

async fn read(mut response: Response) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(SourceError::TooLong);
        }
    }
    Ok(bytes)
}

/// With the roots that browsers trust built in: a container has none of its own.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
