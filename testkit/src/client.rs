//! The one HTTP client of the tests, the benchmark and the fault suite: requests with a token, answers read to their end.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::failure::Failure;

/// A client with or without a token.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as JSON where it is JSON, else as a string.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the status is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Itself, if the status is a 2xx.
    pub fn success(self) -> Result<Self, Failure> {
        if self.is_success() { Ok(self) } else { Err(format!("answered {}: {}", self.status, self.text).into()) }
    }
}

impl Client {
    /// A client without a token for the API at `base`.
    pub fn new(base: impl Into<String>) -> Self {
        Self::over(base, reqwest::Client::new())
    }

    /// The same with a limit for each answer.
    pub fn with_timeout(base: impl Into<String>, timeout: Duration) -> Result<Self, Failure> {
        Ok(Self::over(base, reqwest::Client::builder().timeout(timeout).build()?))
    }

    /// The same with other settings.
    pub fn over(base: impl Into<String>, http: reqwest::Client) -> Self {
        Self { base: base.into(), http, token: None }
    }

    /// The same with a token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The address of its API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request builder, for requests that the short forms cannot make.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request, whatever the status of the answer.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        Ok(Answer { status, headers, body, text })
    }

    /// GET.
    pub async fn try_get(&self, path: &str) -> Result<Answer, Failure> {
        self.try_send(self.request(Method::GET, path)).await
    }

    /// Any method, without a body.
    pub async fn try_ask(&self, method: &str, path: &str) -> Result<Answer, Failure> {
        self.try_send(self.request(method.parse()?, path)).await
    }

    /// POST with a JSON body.
    pub async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.try_send(self.request(Method::POST, path).json(body)).await
    }
}
