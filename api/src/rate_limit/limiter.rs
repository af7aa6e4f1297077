//! The rate limiter: asks Redis, and decides in memory while Redis is unavailable.

use std::time::Duration;

use super::fallback::LocalBuckets;
use crate::config::LimitsConfig;
use crate::http::client_address::ClientAddress;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy, RateLimitStatus, TokenBucket};
use crate::ids::UserId;
use crate::redis::{RedisClient, RedisError};

/// Requests of an address, and of a user, are counted over this long.
const MINUTE: Duration = Duration::from_secs(60);

/// All rate limits but the devices', which are `ingest`'s.
pub struct RateLimiter {
    redis: RedisClient,
    local: LocalBuckets,
    /// Two installations may share a Redis.
    prefix: String,
    of_address: Option<RateLimitPolicy>,
    of_user: Option<RateLimitPolicy>,
}

impl RateLimiter {
    /// The limits of the installation called `prefix`.
    pub fn new(config: &LimitsConfig, redis: RedisClient, prefix: &str) -> Self {
        Self {
            redis,
            local: LocalBuckets::default(),
            prefix: prefix.to_owned(),
            of_address: RateLimitPolicy::new("address", config.address_max_per_minute, MINUTE),
            of_user: RateLimitPolicy::new("user", config.user_max_per_minute, MINUTE),
        }
    }

    /// The bucket of a limit, if there is that limit; `whose` tells it from the limit's other buckets.
    pub fn bucket(&self, policy: Option<RateLimitPolicy>, whose: &str) -> Option<TokenBucket> {
        policy.map(|policy| TokenBucket { key: self.key(policy.name, whose), policy })
    }

    fn key(&self, kind: &str, whose: &str) -> String {
        format!("{}:limit:{kind}:{whose}", self.prefix)
    }

    /// Takes one request of an address, and of a user where it has one, or refuses it.
    pub async fn admit(
        &self,
        address: ClientAddress,
        user: Option<UserId>,
    ) -> Result<Vec<RateLimitStatus>, RateLimitExceeded> {
        let of_address = self.bucket(self.of_address, &address.to_string());
        let of_user = user.and_then(|user| self.bucket(self.of_user, &user.to_string()));
        self.take(&of_address.into_iter().chain(of_user).collect::<Vec<_>>()).await
    }

    /// Takes one out of each bucket, or none at all where one of them is empty.
    pub async fn take(&self, buckets: &[TokenBucket]) -> Result<Vec<RateLimitStatus>, RateLimitExceeded> {
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask(self.redis.take(buckets)).await {
            Some(verdict) => verdict,
            None => self.local.take(buckets),
        }
    }

    /// Fills a bucket up.
    pub async fn clear(&self, bucket: &TokenBucket) {
        self.local.clear(&bucket.key);
        self.ask(self.redis.clear(&bucket.key)).await;
    }

    /// Remembers `whose` as a `kind` for `ttl`.
    pub async fn mark(&self, kind: &str, whose: &str, ttl: Duration) {
        let key = self.key(kind, whose);
        self.local.mark(&key, ttl);
        self.ask(self.redis.mark(&key, ttl)).await;
    }

    /// Whether `whose` is remembered as a `kind`. Without Redis: on this replica.
    pub async fn is_marked(&self, kind: &str, whose: &str) -> bool {
        let key = self.key(kind, whose);
        self.local.is_marked(&key) || self.ask(self.redis.is_marked(&key)).await.unwrap_or(false)
    }

    /// Redis's answer; `None` while it is unavailable. Then it is not asked, so that nobody waits for it.
    async fn ask<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        call.await.inspect_err(|error| tracing::debug!(%error, "limits not counted in Redis")).ok()
    }
}
