//! What authentication needs of the process.

use pulso_shared::clock::Clock;

use super::revocations::Revocations;
use super::tokens::Tokens;
use crate::redis::RedisClient;

/// Verifies who a request speaks for; one a process.
pub struct Auth {
    /// Signs and verifies access tokens.
    pub tokens: Tokens,
    /// The revoked subjects that this replica knows.
    pub revocations: Revocations,
    /// Asked for people's requests, so that a logout on another replica counts at once.
    pub redis: RedisClient,
    /// The time that expiry is compared with.
    pub clock: Clock,
}
