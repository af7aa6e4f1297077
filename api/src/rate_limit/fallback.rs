//! The token buckets of this replica alone, for while Redis is unavailable. The same rule as `redis/take.lua`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy, RateLimitStatus, TokenBucket};

/// Beyond so many keys, those whose time is over are forgotten; and if none is, all: an attack from a million addresses
/// must not take the memory.
const MAX_KEYS: usize = 100_000;

/// Keys, each until some instant: a bucket until it is full again, a mark until it is forgotten.
pub struct LocalBuckets {
    began: Instant,
    full_at: Mutex<HashMap<String, Duration>>,
}

impl Default for LocalBuckets {
    fn default() -> Self {
        Self { began: Instant::now(), full_at: Mutex::default() }
    }
}

impl LocalBuckets {
    /// Takes one out of each bucket, or none at all where one of them is empty.
    pub fn take(&self, buckets: &[TokenBucket]) -> Result<Vec<RateLimitStatus>, RateLimitExceeded> {
        let now = self.began.elapsed();
        self.with_keys(now, |keys| {
            let judge = |bucket: &TokenBucket| judge(keys.get(&bucket.key).copied(), now, bucket.policy);
            let judged = buckets.iter().map(judge).collect::<Result<Vec<_>, _>>()?;
            let full_at = judged.iter().map(|standing| now.saturating_add(standing.reset));
            keys.extend(buckets.iter().map(|bucket| bucket.key.clone()).zip(full_at));
            Ok(judged)
        })
    }

    /// Fills a bucket up, or takes a mark off.
    pub fn clear(&self, key: &str) {
        self.with_keys(self.began.elapsed(), |keys| keys.remove(key));
    }

    /// Marks a key for `ttl`.
    pub fn mark(&self, key: &str, ttl: Duration) {
        let now = self.began.elapsed();
        self.with_keys(now, |keys| keys.insert(key.to_owned(), now.saturating_add(ttl)));
    }

    /// Whether a key is marked.
    pub fn is_marked(&self, key: &str) -> bool {
        let now = self.began.elapsed();
        self.with_keys(now, |keys| keys.get(key).is_some_and(|until| *until > now))
    }

    fn with_keys<T>(&self, now: Duration, work: impl FnOnce(&mut HashMap<String, Duration>) -> T) -> T {
        // Each change is a single insert or remove: a panic elsewhere leaves nothing half done.
        let mut keys = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS {
            keys.retain(|_, until| *until > now);
            if keys.len() >= MAX_KEYS {
                keys.clear();
            }
        }
        work(&mut keys)
    }
}

/// Takes one out of a bucket that will be full at `full_at`.
fn judge(
    full_at: Option<Duration>,
    now: Duration,
    policy: RateLimitPolicy,
) -> Result<RateLimitStatus, RateLimitExceeded> {
    let step = policy.step();
    let span = step * policy.quota.get();
    let busy = full_at.unwrap_or_default().saturating_sub(now).saturating_add(step);
    match span.checked_sub(busy) {
        None => Err(RateLimitExceeded { policy, retry_after: busy.saturating_sub(span) }),
        Some(room) => {
            let remaining = room.as_nanos().checked_div(step.as_nanos()).unwrap_or_default();
            Ok(RateLimitStatus { policy, remaining: u32::try_from(remaining).unwrap_or(u32::MAX), reset: busy })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LocalBuckets, judge};
    use crate::http::rate_limit_headers::{RateLimitPolicy, TokenBucket};

    fn policy(quota: u32) -> RateLimitPolicy {
        RateLimitPolicy::new("test", quota, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_bucket_gives_its_quota_at_once_and_then_one_a_step() {
        let (mut full_at, mut now) = (None, Duration::from_secs(1_000));
        for left in [2, 1, 0] {
            let standing = judge(full_at, now, policy(3)).unwrap();
            assert_eq!(standing.remaining, left);
            full_at = Some(now + standing.reset);
        }
        assert_eq!(judge(full_at, now, policy(3)).unwrap_err().retry_after, Duration::from_secs(20));
        now += Duration::from_secs(20);
        let standing = judge(full_at, now, policy(3)).unwrap();
        assert_eq!((standing.remaining, standing.reset), (0, Duration::from_secs(60)));
        now += Duration::from_secs(600);
        assert_eq!(judge(full_at, now, policy(3)).unwrap().remaining, 2);
    }

    #[test]
    fn an_empty_bucket_costs_the_others_nothing() {
        let own = LocalBuckets::default();
        let bucket = |key: &str, quota| TokenBucket { key: key.to_owned(), policy: policy(quota) };
        let both = [bucket("wide", 10), bucket("narrow", 1)];
        assert_eq!(own.take(&both).unwrap().len(), 2);
        assert_eq!(own.take(&both).unwrap_err().policy, policy(1));
        assert_eq!(own.take(&both[..1]).unwrap()[0].remaining, 8);
        own.clear("narrow");
        assert!(own.take(&both).is_ok());
    }

    #[test]
    fn a_mark_is_there_for_its_time() {
        let own = LocalBuckets::default();
        own.mark("now", Duration::ZERO);
        own.mark("later", Duration::from_secs(60));
        assert_eq!((own.is_marked("now"), own.is_marked("later"), own.is_marked("never")), (false, true, false));
    }
}
