//! What authentication needs of the process.

use std::time::Duration;

use pulso_shared::clock::Clock;
use pulso_shared::ids::Uuid;

use super::password::PasswordHasher;
use super::revocations::Revocations;
use super::tokens::Tokens;
use crate::config::{AuthConfig, WebConfig};
use crate::redis::RedisClient;

/// Verifies who a request speaks for; one a process.
pub struct Auth {
    /// How long tokens live.
    pub config: AuthConfig,
    /// Tells whether a request came by TLS: its cookies then have other names.
    pub web: WebConfig,
    /// Signs and verifies access tokens.
    pub tokens: Tokens,
    /// Hashes and verifies people's passwords.
    pub passwords: PasswordHasher,
    /// The revoked subjects that this replica knows.
    pub revocations: Revocations,
    /// Asked for people's requests, so that a logout on another replica counts at once.
    pub redis: RedisClient,
    /// The time that expiry is compared with.
    pub clock: Clock,
}

impl Auth {
    /// Applies revocations that have been committed: here at once, on the other replicas as soon as they ask Redis.
    pub async fn announce_revoked(&self, subjects: &[Uuid], keep_for: Duration) {
        self.revocations.announce(&self.redis, subjects, keep_for).await;
    }
}
