//! How much one device may send: one reading a request at the live rate, arrays (a backlog after an outage of the
//! device's own network) from a larger budget of their own. Each replica counts for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pulso_shared::ids::DeviceId;

use super::body::MAX_ITEMS;

/// A backlog may flow at this many times the live rate.
const BACKLOG_FACTOR: u32 = 10;
/// How often devices that have long been silent are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A limit that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReached {
    /// Its name.
    pub limit: &'static str,
    /// When there is room again.
    pub retry_after: Duration,
}

/// The two budgets of every device.
pub struct IngestLimiter(Option<Budgets>);

struct Budgets {
    live: DefaultKeyedRateLimiter<DeviceId>,
    backlog: DefaultKeyedRateLimiter<DeviceId>,
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
                live: RateLimiter::keyed(Quota::per_second(hz)),
                backlog: RateLimiter::keyed(Quota::per_second(backlog_rate).allow_burst(backlog_rate.max(largest))),
            }
        }))
    }

    /// Takes one reading that came alone out of its device's live budget.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn take_live(&self, device: DeviceId) -> Result<(), LimitReached> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        let taken = budgets.live.check_key(&device);
        taken.map_err(|until| reached("device-live", until.wait_time_from(DefaultClock::default().now())))
    }

    /// Takes `readings` that came in one array out of their device's backlog budget.
    ///
    /// # Errors
    /// When there is no room for all of them.
    pub fn take_backlog(&self, device: DeviceId, readings: NonZeroU32) -> Result<(), LimitReached> {
        let Some(budgets) = &self.0 else { return Ok(()) };
        match budgets.backlog.check_key_n(&device, readings) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(reached("device-backlog", until.wait_time_from(DefaultClock::default().now()))),
            Err(_) => Err(reached("device-backlog", Duration::from_secs(1))),
        }
    }

    /// Forgets silent devices, for ever.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            if let Some(budgets) = &self.0 {
                for budget in [&budgets.live, &budgets.backlog] {
                    budget.retain_recent();
                    budget.shrink_to_fit();
                }
            }
        }
    }
}

fn reached(limit: &'static str, retry_after: Duration) -> LimitReached {
    LimitReached { limit, retry_after }
}
