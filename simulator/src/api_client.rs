//! Calls to the API that are not telemetry: few, and retried until they work or are refused for good.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::retry::RetryDelays;

const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call is retried while the API is unavailable, overloaded or starting.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call did not work; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No response.
    #[error("{url} does not answer: {cause}")]
    Unavailable {
        /// The API's address.
        url: String,
        /// The innermost cause.
        cause: String,
    },
    /// A response that is not a 2xx.
    #[error("{status}: {detail}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the problem document says.
        detail: String,
    },
    /// The response is not what the contract says.
    #[error("the answer cannot be read: {0}")]
    Unreadable(reqwest::Error),
    /// This program cannot make HTTP calls at all.
    #[error("cannot make HTTP calls: {0}")]
    Client(reqwest::Error),
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// Makes calls to one API.
#[derive(Debug, Clone)]
pub struct ApiClient {
    http: Client,
    url: String,
}

impl ApiClient {
    /// A client of the API at `url`.
    pub fn new(url: &str) -> Result<Self, CallError> {
        let http = Client::builder().timeout(CALL_TIMEOUT).tcp_nodelay(true).build().map_err(CallError::Client)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    /// The HTTP client below, for calls with retry rules of their own.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The address of a route.
    pub fn address(&self, route: &str) -> String {
        format!("{}{route}", self.url)
    }

    /// Makes a call, retries it for up to half a minute, and reads the JSON of its response.
    pub async fn call<T: DeserializeOwned>(&self, make: impl Fn(&Client) -> RequestBuilder) -> Result<T, CallError> {
        self.response(make).await?.json().await.map_err(CallError::Unreadable)
    }

    /// As [`Self::call`], without reading the response's body.
    pub async fn response(&self, make: impl Fn(&Client) -> RequestBuilder) -> Result<Response, CallError> {
        let mut delays = RetryDelays::new(0);
        let end = Instant::now() + RETRY_TIMEOUT;
        loop {
            let (error, retry_after) = match make(&self.http).send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let retry_after = retry_after(&response);
                    (refusal(response).await, retry_after)
                }
                Err(error) => (self.unavailable(&error), None),
            };
            let delay = delays.next(retry_after);
            if !error.is_retryable() || Instant::now() + delay >= end {
                return Err(error);
            }
            tokio::time::sleep(delay).await;
        }
    }

    fn unavailable(&self, error: &reqwest::Error) -> CallError {
        // Only the innermost cause names the problem ("Connection refused").
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        CallError::Unavailable { url: self.url.clone(), cause: cause.to_string() }
    }
}

impl CallError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Unreadable(_) | Self::Client(_) => false,
        }
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

async fn refusal(response: Response) -> CallError {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let detail = serde_json::from_str::<Problem>(&text).map_or(text, |problem| problem.detail);
    CallError::Refused { status, detail }
}

/// The response's `Retry-After`, which the API sends in seconds.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
