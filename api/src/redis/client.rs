//! The connection pool, revocations, and the time limit of every call.

use std::time::Duration;

use deadpool_redis::redis::{self, AsyncCommands};
use deadpool_redis::{Config, Pool, PoolError, Runtime};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::http::error::ApiError;

/// A slow Redis must not slow a request by more than this.
const CALL_TIMEOUT: Duration = Duration::from_millis(200);

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("no answer within {} ms", CALL_TIMEOUT.as_millis())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

impl From<RedisError> for ApiError {
    fn from(error: RedisError) -> Self {
        Self::Unavailable { what: "The cache", cause: error.to_string() }
    }
}

#[derive(Clone)]
pub struct RedisClient {
    pub(super) pool: Pool,
}

impl RedisClient {
    /// A pool of connections to `url`; connects to nothing yet.
    pub fn new(url: &SecretString) -> Result<Self, deadpool_redis::CreatePoolError> {
        let pool = Config::from_url(url.expose_secret()).create_pool(Some(Runtime::Tokio1))?;
        Ok(Self { pool })
    }

    /// Tells every replica that `subjects` are revoked, for as long as a token of theirs could live.
    pub async fn mark_revoked(&self, subjects: &[Uuid], ttl: Duration) -> Result<(), RedisError> {
        if subjects.is_empty() {
            return Ok(());
        }
        let mut commands = redis::pipe();
        for subject in subjects {
            commands.set_ex(revoked_key(*subject), 1, ttl.as_secs().max(1)).ignore();
        }
        within_time(async { Ok(commands.query_async(&mut self.pool.get().await?).await?) }).await
    }

    /// Whether any replica has revoked `subject`.
    pub async fn is_revoked(&self, subject: Uuid) -> Result<bool, RedisError> {
        within_time(async {
            let mut connection = self.pool.get().await?;
            Ok(connection.exists(revoked_key(subject)).await?)
        })
        .await
    }

    pub async fn ping(&self) -> Result<(), RedisError> {
        within_time(async { Ok(redis::cmd("PING").query_async(&mut self.pool.get().await?).await?) }).await
    }
}

fn revoked_key(subject: Uuid) -> String {
    format!("pulso:revoked:{subject}")
}

/// Bounds how long a call may take.
pub async fn within_time<T>(call: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    tokio::time::timeout(CALL_TIMEOUT, call).await?
}
