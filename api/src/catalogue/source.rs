//! The feed's address: fetched when an administrator asks for it, within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::USER_AGENT;
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::feed::Feed;
use crate::http::error::ApiError;
use crate::http::extract::json::parse;

/// An administrator waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A thousand items with all that we do not read of them.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Why there is no feed; for the operator.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("CATALOGUE_URL: {0}")]
    Address(#[from] hyper::http::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error("no connection: {0}")]
    Connect(#[from] legacy::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its body cannot be read, or is longer than {MAX_BYTES} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// Fetches the feed's items.
///
/// # Errors
/// 422 when there is no address, 503 when nothing usable comes from it.
pub async fn fetch(url: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let url = url.filter(|url| !url.is_empty()).ok_or_else(|| {
        ApiError::field("products", "required", "is required, since this installation has no CATALOGUE_URL")
    })?;
    let downloaded = tokio::time::timeout(TIMEOUT, download(url)).await.map_err(SourceError::from).flatten();
    let bytes = downloaded.map_err(|error| unusable(error.to_string()))?;
    let feed = parse::<Feed>(&bytes).map_err(|error| unusable(error.to_string()))?;
    feed.items.ok_or_else(|| unusable("it has no products".to_owned()))
}

fn unusable(cause: String) -> ApiError {
    ApiError::Unavailable { what: "The catalogue's source", cause }
}

/// Follows no redirect: the operator says where the feed is, and nobody else.
async fn download(url: &str) -> Result<Bytes, SourceError> {
    let request = Request::get(url).header(USER_AGENT, "pulso").body(Empty::<Bytes>::new())?;
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_http1().build();
    let response = Client::builder(TokioExecutor::new()).build(connector).request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(SourceError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    body.map(|body| body.to_bytes()).map_err(SourceError::Body)
}

/// With the roots that browsers trust built in: a container has none of its own.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
