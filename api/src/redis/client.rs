//! Revocations, and the connections that the other files of this folder share.

use std::time::Duration;

use deadpool_redis::CreatePoolError;
use deadpool_redis::redis::{self, Cmd};
use pulso_shared::ids::Uuid;
use secrecy::{ExposeSecret, SecretString};

use super::connection::Connection;
use super::error::RedisError;

#[derive(Clone)]
pub struct RedisClient {
    /// For revocations and limits.
    pub(super) shared: Connection,
    /// For what users keep: their large values keep no limit waiting.
    pub(super) entries: Connection,
    /// Two installations may share a Redis.
    pub(super) prefix: String,
}

impl RedisClient {
    /// A client of the installation called `prefix`, and the task that keeps its connections open.
    pub fn new(
        url: &SecretString,
        prefix: &str,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), CreatePoolError> {
        let (shared, keep_shared) = Connection::new(url.expose_secret())?;
        let (entries, keep_entries) = Connection::new(url.expose_secret())?;
        let keep_open = async {
            tokio::join!(keep_shared, keep_entries);
        };
        Ok((Self { shared, entries, prefix: prefix.to_owned() }, keep_open))
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
        self.shared.query_all(&commands).await
    }

    /// Whether any replica has revoked `subject`.
    pub async fn is_revoked(&self, subject: Uuid) -> Result<bool, RedisError> {
        self.shared.query(&Cmd::exists(revoked_key(subject))).await
    }

    pub async fn ping(&self) -> Result<(), RedisError> {
        self.shared.query(&redis::cmd("PING")).await
    }
}

fn revoked_key(subject: Uuid) -> String {
    format!("pulso:revoked:{subject}")
}
