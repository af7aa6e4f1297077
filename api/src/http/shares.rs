//! How much of something may be held at once: by one holder, and by all of them together. Taken for what may last (a
//! body that arrives, an answer that is read), and given back by `Drop`, however it ends.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::http::error::ApiError;
use crate::http::metrics::count_limit_exceeded;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy};

/// Nobody knows when a share is given back: whoever has none is told to ask again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a limit is called, and what it amounts to.
#[derive(Debug, Clone, Copy)]
pub struct ShareLimit {
    /// Its name in a 429.
    pub name: &'static str,
    /// What is unavailable (503) when all holders together have used it up.
    pub what: &'static str,
    /// Most that one holder has.
    pub per_holder: u32,
    /// Most that all have together.
    pub in_all: u32,
}

/// Shares of one limit; clones share it.
pub struct Shares<K>(Arc<Inner<K>>);

struct Inner<K> {
    limit: ShareLimit,
    taken: Mutex<Taken<K>>,
}

struct Taken<K> {
    in_all: u32,
    by_holder: HashMap<K, u32>,
}

impl<K> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// All of them, free.
    pub fn new(limit: ShareLimit) -> Self {
        Self(Arc::new(Inner { limit, taken: Mutex::new(Taken { in_all: 0, by_holder: HashMap::new() }) }))
    }

    /// Takes `weight` for `holder`: 429 where that is more than one holder may have, 503 where all of them have the rest.
    pub fn take(&self, holder: K, weight: u32) -> Result<Share<K>, ApiError> {
        let limit = self.0.limit;
        let mut taken = self.taken();
        let own = taken.by_holder.get(&holder).copied().unwrap_or_default().saturating_add(weight);
        let in_all = taken.in_all.saturating_add(weight);
        if own > limit.per_holder {
            return Err(limit.exceeded().into());
        }
        if in_all > limit.in_all {
            count_limit_exceeded(limit.name);
            let cause = format!("the limit {} is used up by all together", limit.name);
            return Err(ApiError::Unavailable { what: limit.what, cause });
        }
        taken.by_holder.insert(holder, own);
        taken.in_all = in_all;
        Ok(Share { shares: self.clone(), holder, weight })
    }

    fn give_back(&self, holder: K, weight: u32) {
        let mut taken = self.taken();
        taken.in_all = taken.in_all.saturating_sub(weight);
        let own = taken.by_holder.get(&holder).copied().unwrap_or_default().saturating_sub(weight);
        if own == 0 {
            taken.by_holder.remove(&holder);
        } else {
            taken.by_holder.insert(holder, own);
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShareLimit {
    fn exceeded(&self) -> RateLimitExceeded {
        let quota = NonZeroU32::new(self.per_holder).unwrap_or(NonZeroU32::MIN);
        let policy = RateLimitPolicy { name: self.name, quota, window: RETRY_AFTER };
        RateLimitExceeded { policy, retry_after: Duration::ZERO }
    }
}

/// What one holder has taken; dropped, it is free again.
pub struct Share<K: Copy + Eq + Hash> {
    shares: Shares<K>,
    holder: K,
    weight: u32,
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        self.shares.give_back(self.holder, self.weight);
    }
}

impl<K: Copy + Eq + Hash> fmt::Debug for Share<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a share of {}", self.shares.0.limit.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{ShareLimit, Shares};
    use crate::http::error::ApiError;

    #[test]
    fn one_holder_has_its_share_and_all_together_have_theirs() {
        let shares = Shares::new(ShareLimit { name: "test", what: "Room", per_holder: 2, in_all: 3 });
        let own = [shares.take('a', 1).unwrap(), shares.take('a', 1).unwrap()];
        assert!(matches!(shares.take('a', 1), Err(ApiError::TooManyRequests(limit)) if limit.policy.name == "test"));
        let other = shares.take('b', 1).unwrap();
        assert!(matches!(shares.take('c', 1), Err(ApiError::Unavailable { .. })));
        drop(own);
        assert!(matches!(shares.take('a', 3), Err(ApiError::TooManyRequests(_))));
        let again = shares.take('a', 2).unwrap();
        drop((again, other));
        assert!(shares.taken().by_holder.is_empty() && shares.taken().in_all == 0);
    }
}
