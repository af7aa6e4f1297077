//! The feed's address: fetched when an administrator asks for it, within limits of time and size.

use std::time::Duration;

use actix_web::web;
use serde_json::Value;
use ureq::Agent;
use ureq::http::StatusCode;

use super::feed::Feed;
use crate::http::error::ApiError;
use crate::http::extract::json::parse;

/// An administrator waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A thousand items with all that we do not read of them.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Why there is no feed; for the operator.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("CATALOGUE_URL: {0}")]
    Request(#[from] ureq::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
}

/// Where `POST /products/import` fetches the products that it does not bring.
pub struct FeedSource {
    client: Agent,
    url: Option<String>,
}

impl FeedSource {
    /// A feed at `url`, where there is one.
    pub fn new(client: Agent, url: Option<String>) -> Self {
        Self { client, url: url.filter(|url| !url.is_empty()) }
    }

    /// Fetches the feed's items: 422 when there is no address, 503 when nothing usable comes from it.
    pub async fn fetch(&self) -> Result<Vec<Value>, ApiError> {
        let url = self.url.clone().ok_or_else(|| {
            ApiError::field("products", "required", "is required, since this installation has no CATALOGUE_URL")
        })?;
        let client = self.client.clone();
        let downloaded = web::block(move || download(&client, &url)).await;
        let downloaded = downloaded.map_err(|error| ApiError::Internal(Box::new(error)))?;
        let bytes = downloaded.map_err(|error| unusable(error.to_string()))?;
        let feed = parse::<Feed>(&bytes).map_err(|error| unusable(error.to_string()))?;
        feed.products.ok_or_else(|| unusable("it has no products".to_owned()))
    }
}

fn download(client: &Agent, url: &str) -> Result<Vec<u8>, SourceError> {
    let mut response = client.get(url).config().timeout_global(Some(TIMEOUT)).build().call()?;
    if response.status() != StatusCode::OK {
        return Err(SourceError::Status(response.status()));
    }
    Ok(response.body_mut().with_config().limit(MAX_BYTES).read_to_vec()?)
}

fn unusable(cause: String) -> ApiError {
    ApiError::Unavailable { what: "The catalogue's source", cause }
}
