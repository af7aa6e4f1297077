//! The buckets and marks that all replicas share.

use std::time::Duration;

use deadpool_redis::redis::{self, Cmd};

use super::client::RedisClient;
use super::error::RedisError;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitStatus, TokenBucket};

/// One round trip for all buckets of a request. The text goes along each time: hashing it costs Redis 3 µs, and a
/// Redis that was restarted needs no second try.
const TAKE: &str = include_str!("take.lua");

impl RedisClient {
    /// Takes one out of each bucket, or none at all where one of them is empty: that one is the inner error.
    pub async fn take(
        &self,
        buckets: &[TokenBucket],
    ) -> Result<Result<Vec<RateLimitStatus>, RateLimitExceeded>, RedisError> {
        let mut call = redis::cmd("EVAL");
        call.arg(TAKE).arg(buckets.len());
        for bucket in buckets {
            call.arg(&bucket.key);
        }
        for bucket in buckets {
            let window_us = u64::try_from(bucket.policy.window.as_micros()).unwrap_or(u64::MAX);
            call.arg(bucket.policy.quota.get()).arg(window_us);
        }
        let answer: Vec<u64> = self.shared.query(&call).await?;
        Ok(read(&answer, buckets))
    }

    /// Fills buckets up, and takes marks off.
    pub async fn clear(&self, key: &str) -> Result<(), RedisError> {
        self.shared.query(&Cmd::del(key)).await
    }

    /// Marks a key for `ttl`.
    pub async fn mark(&self, key: &str, ttl: Duration) -> Result<(), RedisError> {
        self.shared.query(&Cmd::set_ex(key, 1, ttl.as_secs().max(1))).await
    }

    /// Whether a key is marked.
    pub async fn is_marked(&self, key: &str) -> Result<bool, RedisError> {
        self.shared.query(&Cmd::exists(key)).await
    }
}

fn read(answer: &[u64], buckets: &[TokenBucket]) -> Result<Vec<RateLimitStatus>, RateLimitExceeded> {
    let mut numbers = answer.iter().copied();
    let empty = numbers.next().and_then(|number| usize::try_from(number).ok()).and_then(|number| number.checked_sub(1));
    if let Some(bucket) = empty.and_then(|index| buckets.get(index)) {
        let retry_after = Duration::from_micros(numbers.next().unwrap_or_default());
        return Err(RateLimitExceeded { policy: bucket.policy, retry_after });
    }
    let standing = |bucket: &TokenBucket| {
        let (remaining, reset_us) = numbers.next().zip(numbers.next())?;
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        Some(RateLimitStatus { policy: bucket.policy, remaining, reset: Duration::from_micros(reset_us) })
    };
    Ok(buckets.iter().map_while(standing).collect())
}
