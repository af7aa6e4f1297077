//! Calls to the API that are not telemetry: few, and repeated until they work or are refused for good.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::backoff::Backoff;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call is repeated while the API is away, full or starting.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a call did not work; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answered.
    #[error("{url} does not answer: {cause}")]
    Away {
        /// The API's address.
        url: String,
        /// Why.
        cause: String,
    },
    /// The answer was no.
    #[error("{status}: {detail}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What the problem document says.
        detail: String,
    },
    /// The answer is not what the contract says.
    #[error("the answer cannot be read: {0}")]
    Unreadable(reqwest::Error),
    /// This program cannot make HTTP calls at all.
    #[error("cannot make HTTP calls: {0}")]
    Client(reqwest::Error),
}

/// What a refusal says.
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
    /// Calls to the API at `url`.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(url: &str) -> Result<Self, CallError> {
        let http = Client::builder().timeout(CALL_TIMEOUT).tcp_nodelay(true).build().map_err(CallError::Client)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    /// The client below, for calls with rules of their own.
    #[must_use]
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The address of a route.
    #[must_use]
    pub fn address(&self, route: &str) -> String {
        format!("{}{route}", self.url)
    }

    /// Makes a call until there is a final answer, and reads it.
    ///
    /// # Errors
    /// When it is refused, or nobody answers for half a minute.
    pub async fn call<T: DeserializeOwned>(&self, make: impl Fn(&Client) -> RequestBuilder) -> Result<T, CallError> {
        self.answer(make).await?.json().await.map_err(CallError::Unreadable)
    }

    /// As [`Self::call`], without reading the answer's body.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn answer(&self, make: impl Fn(&Client) -> RequestBuilder) -> Result<Response, CallError> {
        let mut backoff = Backoff::new(0);
        let end = Instant::now() + PATIENCE;
        loop {
            let (failure, advised) = match make(&self.http).send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let advised = retry_after(&response);
                    (refusal(response).await, advised)
                }
                Err(error) => (self.away(&error), None),
            };
            let wait = backoff.next(advised);
            if !failure.may_pass() || Instant::now() + wait >= end {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn away(&self, error: &reqwest::Error) -> CallError {
        // The innermost cause is the one that says something ("Connection refused").
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        CallError::Away { url: self.url.clone(), cause: cause.to_string() }
    }
}

impl CallError {
    /// Whether the same call may work later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Unreadable(_) | Self::Client(_) => false,
        }
    }

    /// The status of a refusal.
    #[must_use]
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

/// What the server advises, s.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
