//! What a limit allows, how a client stands with it, and how both are told (draft-ietf-httpapi-ratelimit-headers-10).

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// What the limit is.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How the client stands with it.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// So many in so long, in one go or evenly: a bucket that refills all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitPolicy {
    /// Its name, as clients read it.
    pub name: &'static str,
    /// How many.
    pub quota: NonZeroU32,
    /// In how long an empty bucket is full again.
    pub window: Duration,
}

impl RateLimitPolicy {
    /// A limit of `quota`; 0 sets none.
    #[must_use]
    pub fn new(name: &'static str, quota: u32, window: Duration) -> Option<Self> {
        NonZeroU32::new(quota).map(|quota| Self { name, quota, window })
    }

    /// In how long one comes back.
    #[must_use]
    pub fn step(&self) -> Duration {
        self.window / self.quota.get()
    }
}

/// The bucket of one limit that belongs to one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    /// Unique in Redis.
    pub key: String,
    /// The limit.
    pub policy: RateLimitPolicy,
}

/// A bucket out of which one was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The limit.
    pub policy: RateLimitPolicy,
    /// How many are left.
    pub remaining: u32,
    /// When it is full again.
    pub reset: Duration,
}

/// A bucket that is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitExceeded {
    /// The limit.
    pub policy: RateLimitPolicy,
    /// When there is one again.
    pub retry_after: Duration,
}

impl RateLimitExceeded {
    /// [`Self::retry_after`] in whole seconds, rounded up: earlier would be too early.
    #[must_use]
    pub fn retry_after_s(&self) -> u64 {
        self.retry_after.as_secs().saturating_add(1)
    }
}

/// Tells of a limit that is not reached. Several limits are items of one list.
pub fn append_status(headers: &mut HeaderMap, standing: &RateLimitStatus) {
    append(headers, &standing.policy, standing.remaining, standing.reset.as_secs().saturating_add(1));
}

/// Tells of a limit that is.
pub fn append_exceeded(headers: &mut HeaderMap, refusal: &RateLimitExceeded) {
    append(headers, &refusal.policy, 0, refusal.retry_after_s());
}

/// Replaces the headers of `to` by those of `from`.
pub fn copy_rate_limits(from: &HeaderMap, to: &mut HeaderMap) {
    for header in [RATE_LIMIT_POLICY, RATE_LIMIT] {
        to.remove(&header);
    }
    add_rate_limits(from, to);
}

/// Adds the headers of `from` to those of `to`.
pub fn add_rate_limits(from: &HeaderMap, to: &mut HeaderMap) {
    for header in [RATE_LIMIT_POLICY, RATE_LIMIT] {
        for value in from.get_all(&header) {
            to.append(header.clone(), value.clone());
        }
    }
}

fn append(headers: &mut HeaderMap, policy: &RateLimitPolicy, remaining: u32, reset_s: u64) {
    let RateLimitPolicy { name, quota, window } = policy;
    let policy = format!("\"{name}\";q={quota};w={}", window.as_secs().max(1));
    let standing = format!("\"{name}\";r={remaining};t={reset_s}");
    for (header, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, standing)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(header, value);
        }
    }
}
