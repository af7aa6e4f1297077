//! Why Redis gave no answer.

use std::time::Duration;

use deadpool_redis::redis;

use crate::http::error::ApiError;

/// A slow Redis must not slow a request by more than this.
pub const CALL_TIMEOUT: Duration = Duration::from_millis(200);

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error("not connected")]
    Unavailable,
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("no answer within {} ms", CALL_TIMEOUT.as_millis())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

impl RedisError {
    /// Whether Redis has reached its `maxmemory`: it answers, and takes nothing more.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Redis(error) if error.code() == Some("OOM") || error.to_string().contains("OOM"))
    }
}

impl From<RedisError> for ApiError {
    fn from(error: RedisError) -> Self {
        Self::Unavailable { what: "The cache", cause: error.to_string() }
    }
}
