//! How much one device may send: one reading a request at the live rate, arrays (a backlog after an outage of the
//! device's own network) from a larger budget of their own. Each replica counts for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pulso_shared::ids::DeviceId;

use super::body::MAX_ITEMS;
use crate::limits::{Policy, Refusal};

/// A backlog may flow at this many times the live rate.
const BACKLOG_FACTOR: u32 = 10;
/// How often devices that have long been silent are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The two budgets of every device.
pub struct IngestLimiter(Option<Budgets>);

struct Budgets {
    live: Budget,
    backlog: Budget,
}

struct Budget {
    policy: Policy,
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
            }
        }))
    }

    /// Takes one reading that came alone out of its device's live budget.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn take_live(&self, device: DeviceId) -> Result<(), Refusal> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        let taken = budgets.live.limiter.check_key(&device);
        taken.map_err(|until| budgets.live.refusal(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Takes `readings` that came in one array out of their device's backlog budget.
    ///
    /// # Errors
    /// When there is no room for all of them.
    pub fn take_backlog(&self, device: DeviceId, readings: NonZeroU32) -> Result<(), Refusal> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        match budgets.backlog.limiter.check_key_n(&device, readings) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(budgets.backlog.refusal(until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(budgets.backlog.refusal(Duration::from_secs(1))),
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

impl Budget {
    /// `rate` readings a second, and `burst` of them at once.
    fn new(name: &'static str, rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let window = Duration::from_secs_f64(f64::from(burst.get()) / f64::from(rate.get()));
        let limiter = RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        Self { policy: Policy { name, quota: burst, window }, limiter }
    }

    fn refusal(&self, retry_after: Duration) -> Refusal {
        Refusal { policy: self.policy, retry_after }
    }
}
