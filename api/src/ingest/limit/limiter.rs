//! The two budgets of every device, and that of whoever sends what is no device's.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;

use super::reconciliation::Reconciliation;
use super::usage::{BudgetKey, BudgetKind, LocalUsage, RemoteUsage, UsageCounter};
use crate::http::holder::Holder;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy};
use crate::ingest::item::MAX_ITEMS;
use crate::redis::RedisClient;

/// A backlog may flow at this many times the live rate.
const BACKLOG_FACTOR: u32 = 10;
/// How often devices that have long been silent are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const RECONCILE_EVERY: Duration = Duration::from_secs(1);
/// A device that uses less than this part of its budget here is not reconciled: it would need as many replicas.
const SHARE_FROM: u32 = 4;

/// The rate limits of devices on this replica.
pub struct IngestLimiter {
    /// None: nothing is limited.
    budgets: Option<Budgets>,
    local: LocalUsage,
    remote: RemoteUsage,
}

struct Budgets {
    live: Budget<DeviceId>,
    backlog: Budget<DeviceId>,
    refused: Budget<Holder>,
}

struct Budget<K: Clone + Eq + Hash> {
    policy: RateLimitPolicy,
    limiter: DefaultKeyedRateLimiter<K>,
}

impl IngestLimiter {
    /// Budgets for a live rate of `max_hz`; 0 sets none.
    pub fn new(max_hz: u32) -> Self {
        Self {
            budgets: NonZeroU32::new(max_hz).map(Budgets::new),
            local: LocalUsage::default(),
            remote: RemoteUsage::default(),
        }
    }

    /// A counter of what is taken on one HTTP thread.
    pub fn usage_counter(&self) -> UsageCounter {
        self.local.counter()
    }

    /// Takes one reading that was sent alone out of its device's live budget.
    pub fn take_live(&self, usage: &UsageCounter, device: DeviceId) -> Result<(), RateLimitExceeded> {
        self.take(usage, (device, BudgetKind::Live), NonZeroU32::MIN)
    }

    /// Takes `readings` that were sent in one array out of their device's backlog budget, all or none.
    pub fn take_backlog(
        &self,
        usage: &UsageCounter,
        device: DeviceId,
        readings: NonZeroU32,
    ) -> Result<(), RateLimitExceeded> {
        self.take(usage, (device, BudgetKind::Backlog), readings)
    }

    /// Takes `items` that were refused and are no device's out of their sender's budget, all or none. This replica's
    /// own: nobody hurts others by being refused.
    pub fn take_refused(&self, sender: Holder, items: NonZeroU32) -> Result<(), RateLimitExceeded> {
        self.budgets.as_ref().map_or(Ok(()), |budgets| budgets.refused.take(sender, items))
    }

    fn take(&self, usage: &UsageCounter, key: BudgetKey, readings: NonZeroU32) -> Result<(), RateLimitExceeded> {
        let Some(budgets) = &self.budgets else { return Ok(()) };
        let budget = budgets.of(key.1);
        self.remote.settle(&key, |readings| budget.take(key.0, readings).is_ok());
        budget.take(key.0, readings)?;
        usage.add([(key, u64::from(readings.get()))]);
        Ok(())
    }

    /// Reconciles busy devices' usage with the other replicas', for ever.
    pub async fn reconcile(&self, redis: &RedisClient, prefix: &str, clock: Clock) {
        let Some(budgets) = &self.budgets else { return std::future::pending().await };
        let min_shared = |kind| (budgets.of(kind).policy.quota.get() / SHARE_FROM).max(1);
        let mut reconciliation = Reconciliation::default();
        loop {
            tokio::time::sleep(RECONCILE_EVERY).await;
            let usage = (&self.local, &self.remote);
            let done = reconciliation.run(usage, min_shared, (redis, prefix), clock.now().timestamp()).await;
            if let Err(error) = done {
                tracing::debug!(%error, "rate limits not reconciled; each replica counts for itself");
                reconciliation = Reconciliation::default();
                self.remote.set([]);
            }
        }
    }

    /// Forgets silent devices, for ever.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            if let Some(Budgets { live, backlog, refused }) = &self.budgets {
                live.forget_silent();
                backlog.forget_silent();
                refused.forget_silent();
            }
        }
    }
}

impl Budgets {
    fn new(hz: NonZeroU32) -> Self {
        let backlog_rate = hz.saturating_mul(NonZeroU32::MIN.saturating_add(BACKLOG_FACTOR - 1));
        // One whole array always fits into a budget that has rested.
        let largest = u32::try_from(MAX_ITEMS).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Self {
            live: Budget::new("device-live", hz, hz),
            backlog: Budget::new("device-backlog", backlog_rate, backlog_rate.max(largest)),
            refused: Budget::new("refused-items", backlog_rate, backlog_rate.max(largest)),
        }
    }

    fn of(&self, kind: BudgetKind) -> &Budget<DeviceId> {
        match kind {
            BudgetKind::Live => &self.live,
            BudgetKind::Backlog => &self.backlog,
        }
    }
}

impl<K: Clone + Eq + Hash> Budget<K> {
    /// `rate` readings a second, and `burst` of them at once.
    fn new(name: &'static str, rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let window = Duration::from_secs_f64(f64::from(burst.get()) / f64::from(rate.get()));
        let limiter = RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        Self { policy: RateLimitPolicy { name, quota: burst, window }, limiter }
    }

    fn forget_silent(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    fn take(&self, key: K, readings: NonZeroU32) -> Result<(), RateLimitExceeded> {
        let exceeded = |retry_after| RateLimitExceeded { policy: self.policy, retry_after };
        match self.limiter.check_key_n(&key, readings) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(exceeded(until.wait_time_from(DefaultClock::default().now()))),
            // More than the burst.
            Err(_) => Err(exceeded(Duration::from_secs(1))),
        }
    }
}
