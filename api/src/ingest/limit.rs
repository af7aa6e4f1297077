//! How much one device may send: one reading a request at the live rate, arrays (a backlog after an outage of the
//! device's own network) from a larger budget of their own. Decided in memory; what a busy device uses on other replicas
//! is taken off once a second ([`super::shared_use`]).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pulso_shared::ids::DeviceId;

use super::body::MAX_ITEMS;
use super::shared_use::{BudgetKey, BudgetKind, Debts, Use};
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy};
use crate::redis::{RedisClient, RedisError};

/// A backlog may flow at this many times the live rate.
const BACKLOG_FACTOR: u32 = 10;
/// How often devices that have long been silent are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What busy devices use is told to the other replicas this often.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// A device that uses less than this part of its budget here is not worth a word: it would need as many replicas.
const SHARE_FROM: u32 = 4;

/// The two budgets of every device.
pub struct IngestLimiter(Option<Budgets>);

struct Budgets {
    live: Budget,
    backlog: Budget,
    used: Use,
    debts: Debts,
}

struct Budget {
    policy: RateLimitPolicy,
    limiter: DefaultKeyedRateLimiter<DeviceId>,
}

impl IngestLimiter {
    /// Budgets for a live rate of `max_hz`; 0 sets none.
    #[must_use]
    pub fn new(max_hz: u32) -> Self {
        Self(NonZeroU32::new(max_hz).map(|hz| {
            let backlog_rate = hz.saturating_mul(NonZeroU32::MIN.saturating_add(BACKLOG_FACTOR - 1));
            // One whole array always fits into a budget that has rested.
            let largest = u32::try_from(MAX_ITEMS).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
            Budgets {
                live: Budget::new("device-live", hz, hz),
                backlog: Budget::new("device-backlog", backlog_rate, backlog_rate.max(largest)),
                used: Use::default(),
                debts: Debts::default(),
            }
        }))
    }

    /// Takes one reading that came alone out of its device's live budget.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn take_live(&self, device: DeviceId) -> Result<(), RateLimitExceeded> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        budgets.settle((device, BudgetKind::Live));
        let taken = budgets.live.limiter.check_key(&device);
        taken.map_err(|until| budgets.live.refusal(until.wait_time_from(DefaultClock::default().now())))?;
        budgets.used.add((device, BudgetKind::Live), 1);
        Ok(())
    }

    /// Takes `readings` that came in one array out of their device's backlog budget.
    ///
    /// # Errors
    /// When there is no room for all of them.
    pub fn take_backlog(&self, device: DeviceId, readings: NonZeroU32) -> Result<(), RateLimitExceeded> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        budgets.settle((device, BudgetKind::Backlog));
        match budgets.backlog.limiter.check_key_n(&device, readings) {
            Ok(Ok(())) => {
                budgets.used.add((device, BudgetKind::Backlog), readings.get());
                Ok(())
            }
            Ok(Err(until)) => Err(budgets.backlog.refusal(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(budgets.backlog.refusal(Duration::from_secs(1))),
        }
    }

    /// Tells what busy devices have used here, and takes off what they used elsewhere, for ever.
    pub async fn share(&self, cache: &RedisClient, prefix: &str, now: impl Fn() -> DateTime<Utc>) {
        let Some(budgets) = &self.0 else { return };
        let mut told = Told::default();
        loop {
            tokio::time::sleep(SHARE_EVERY).await;
            if let Err(error) = budgets.exchange(cache, prefix, now().timestamp(), &mut told).await {
                tracing::debug!(%error, "devices' use not shared; each replica counts for itself");
                told = Told::default();
                budgets.debts.set(HashMap::new());
            }
        }
    }

    /// Forgets silent devices, for ever.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            if let Some(budgets) = &self.0 {
                for budget in [&budgets.live.limiter, &budgets.backlog.limiter] {
                    budget.retain_recent();
                    budget.shrink_to_fit();
                }
            }
        }
    }
}

/// What this replica said a second ago: by now the others have said theirs.
#[derive(Default)]
struct Told {
    second: i64,
    used: HashMap<BudgetKey, u32>,
    /// What devices were made to owe then.
    debts: HashMap<BudgetKey, u32>,
}

impl Budgets {
    /// Takes what a device took elsewhere off what there is for it here.
    fn settle(&self, budget: BudgetKey) {
        let limiter = &self.of(budget.1).limiter;
        self.debts.settle(&budget, |readings| matches!(limiter.check_key_n(&budget.0, readings), Ok(Ok(()))));
    }

    async fn exchange(
        &self,
        cache: &RedisClient,
        prefix: &str,
        second: i64,
        told: &mut Told,
    ) -> Result<(), RedisError> {
        let key = |second: i64, (device, kind): &BudgetKey| format!("{prefix}:use:{second}:{}:{device}", kind.as_str());
        let used = self.used.take(|kind| (self.of(kind).policy.quota.get() / SHARE_FROM).max(1));
        let before: Vec<_> = std::mem::take(&mut told.used).into_iter().collect();
        let add: Vec<_> = used.iter().map(|(budget, readings)| (key(second, budget), *readings)).collect();
        let read: Vec<_> = before.iter().map(|(budget, _)| key(told.second, budget)).collect();
        (told.second, told.used) = (second, used);
        if add.is_empty() && read.is_empty() {
            told.debts.clear();
            self.debts.set(HashMap::new());
            return Ok(());
        }
        let sums = cache.exchange_use(&add, &read).await?;
        let elsewhere = before.into_iter().zip(sums).map(|((budget, own), sum)| {
            let others = sum.unwrap_or_default().saturating_sub(own);
            // Halfway from the last debt: otherwise two replicas would refuse all in one second and nothing in the next.
            (budget, u32::midpoint(told.debts.get(&budget).copied().unwrap_or_default(), others))
        });
        told.debts = elsewhere.filter(|(_, debt)| *debt > 0).collect();
        self.debts.set(told.debts.clone());
        Ok(())
    }

    fn of(&self, kind: BudgetKind) -> &Budget {
        match kind {
            BudgetKind::Live => &self.live,
            BudgetKind::Backlog => &self.backlog,
        }
    }
}

impl Budget {
    /// `rate` readings a second, and `burst` of them at once.
    fn new(name: &'static str, rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let window = Duration::from_secs_f64(f64::from(burst.get()) / f64::from(rate.get()));
        let limiter = RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        Self { policy: RateLimitPolicy { name, quota: burst, window }, limiter }
    }

    fn refusal(&self, retry_after: Duration) -> RateLimitExceeded {
        RateLimitExceeded { policy: self.policy, retry_after }
    }
}
