//! How much anybody may ask for: buckets that refill, shared by all replicas through Redis. While Redis is away each
//! replica counts for itself.
//!
//! ```text
//!  manners (every request but telemetry) ─▶ RateLimiter::admit: address, user ─┐
//!  accounts (sign-ins) ────────────────────▶ RateLimiter::take ────────────────┼▶ cache: one script for all buckets
//!                                                                         └▶ own: the same in memory, without Redis
//! ```
//!
//! What devices send is not here but in `ingest`, in memory, and settled between replicas once a second: a call to Redis
//! for each heartbeat would cost more than the heartbeat.

mod admission;
mod fallback;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::ids::UserId;

pub use admission::{RateLimitStatuses, admit};
use fallback::LocalBuckets;

use crate::config::LimitsConfig;
use crate::http::client_address::ClientAddress;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy, RateLimitStatus, TokenBucket};
use crate::redis::{RedisClient, RedisError};

/// Requests of an address, and of a user, are counted over this long.
const MINUTE: Duration = Duration::from_secs(60);
/// How long Redis is left alone after it gave no answer: a frozen one would otherwise slow each request.
const PAUSE: Duration = Duration::from_secs(1);

/// All limits but the devices'.
pub struct RateLimiter {
    cache: RedisClient,
    own: LocalBuckets,
    /// Two installations may share a Redis.
    prefix: String,
    of_address: Option<RateLimitPolicy>,
    of_user: Option<RateLimitPolicy>,
    began: Instant,
    /// Until when Redis is left alone, ms since `began`.
    paused_until_ms: AtomicU64,
}

impl RateLimiter {
    /// The limits of the installation called `prefix`.
    #[must_use]
    pub fn new(config: &LimitsConfig, cache: RedisClient, prefix: &str) -> Self {
        Self {
            cache,
            own: LocalBuckets::default(),
            prefix: prefix.to_owned(),
            of_address: RateLimitPolicy::new("address", config.address_max_per_minute, MINUTE),
            of_user: RateLimitPolicy::new("user", config.user_max_per_minute, MINUTE),
            began: Instant::now(),
            paused_until_ms: AtomicU64::new(0),
        }
    }

    /// The bucket of a limit, if there is that limit; `whose` tells it from the limit's other buckets.
    #[must_use]
    pub fn bucket(&self, policy: Option<RateLimitPolicy>, whose: &str) -> Option<TokenBucket> {
        policy.map(|policy| TokenBucket { key: self.key(policy.name, whose), policy })
    }

    /// A key of this installation.
    fn key(&self, kind: &str, whose: &str) -> String {
        format!("{}:limit:{kind}:{whose}", self.prefix)
    }

    /// Takes one request of an address, and of a user where it has one, or refuses it.
    ///
    /// # Errors
    /// The limit that is reached.
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
    ///
    /// # Errors
    /// The first that is empty.
    pub async fn take(&self, buckets: &[TokenBucket]) -> Result<Vec<RateLimitStatus>, RateLimitExceeded> {
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        match self.ask(self.cache.take(buckets)).await {
            Some(verdict) => verdict,
            None => self.own.take(buckets),
        }
    }

    /// Fills a bucket up.
    pub async fn clear(&self, bucket: &TokenBucket) {
        self.own.clear(&bucket.key);
        self.ask(self.cache.clear(&bucket.key)).await;
    }

    /// Remembers `whose` as a `kind` for `ttl`.
    pub async fn mark(&self, kind: &str, whose: &str, ttl: Duration) {
        let key = self.key(kind, whose);
        self.own.mark(&key, ttl);
        self.ask(self.cache.mark(&key, ttl)).await;
    }

    /// Whether `whose` is remembered as a `kind`. Without Redis: on this replica.
    pub async fn is_marked(&self, kind: &str, whose: &str) -> bool {
        let key = self.key(kind, whose);
        self.own.is_marked(&key) || self.ask(self.cache.is_marked(&key)).await.unwrap_or(false)
    }

    /// What Redis says; nothing while it is away.
    async fn ask<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let now_ms = |instant: Instant| u64::try_from((instant - self.began).as_millis()).unwrap_or(u64::MAX);
        if now_ms(Instant::now()) < self.paused_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let answer = call.await;
        if let Err(error) = &answer {
            tracing::warn!(%error, "limits are this replica's own for now: Redis is away");
            self.paused_until_ms.store(now_ms(Instant::now() + PAUSE), Ordering::Relaxed);
        }
        answer.ok()
    }
}
