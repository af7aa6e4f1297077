//! Counts of the whole fleet, for the live line.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::measures::DeviceState;
use crate::rates::per_second;

/// Longer latencies are recorded as this, µs.
const LONGEST_US: u64 = 60_000_000;

/// Counts of all devices.
#[derive(Default)]
pub struct Stats(Mutex<Counts>);

/// Counts so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Items that were sent, whatever the response.
    pub sent: u64,
    /// Items that were accepted.
    pub accepted: u64,
    /// Requests to be retried.
    pub retried: u64,
    /// Items refused for good.
    pub refused: u64,
    /// Items dropped because a device's backlog was full.
    pub dropped: u64,
    /// Devices whose credentials were revoked.
    pub revoked: u64,
    /// The newest refusal.
    pub last_refusal: Option<String>,
    /// Since the last line, µs.
    latency_us: Option<Histogram<u64>>,
}

impl Stats {
    /// Changes the counts.
    pub fn update(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
    }

    /// The counts; the latencies are reset.
    pub fn take(&self) -> Counts {
        let mut counts = self.lock();
        let latency_us = counts.latency_us.take();
        Counts { latency_us, ..counts.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Records the latency of a 2xx.
    pub fn record_latency(&mut self, latency: Duration) {
        if self.latency_us.is_none() {
            self.latency_us = Histogram::new_with_bounds(1, LONGEST_US, 3).ok();
        }
        if let Some(histogram) = &mut self.latency_us {
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
        }
    }

    fn latency_ms(&self, quantile: f64) -> f64 {
        let value = self.latency_us.as_ref().map_or(0, |histogram| histogram.value_at_quantile(quantile));
        Duration::from_micros(value).as_secs_f64() * 1_000.0
    }

    /// The live line: what happened since `earlier`, and the devices' states.
    pub fn line(&self, earlier: &Self, passed: Duration, states: &[DeviceState]) -> String {
        let count = |wanted| states.iter().filter(|state| **state == wanted).count();
        let mut line = format!(
            "{} online, {} disconnected, {} restarting | {:.1} sent/s, {} accepted, {} retried, {} refused | p50 {:.1} ms, p99 {:.1} ms",
            count(DeviceState::Online),
            count(DeviceState::Disconnected),
            count(DeviceState::Restarting),
            per_second(self.sent.saturating_sub(earlier.sent), passed),
            self.accepted,
            self.retried,
            self.refused,
            self.latency_ms(0.5),
            self.latency_ms(0.99),
        );
        for (count, what) in [(self.dropped, "dropped"), (self.revoked, "devices revoked")] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::measures::DeviceState;
    use super::Stats;

    #[test]
    fn the_line_has_rates_since_the_last_one_and_totals() {
        let stats = Stats::default();
        stats.update(|counts| counts.sent = 100);
        let earlier = stats.take();
        stats.update(|counts| {
            counts.sent = 150;
            counts.accepted = 149;
            counts.record_latency(Duration::from_millis(2));
        });
        let line =
            stats.take().line(&earlier, Duration::from_secs(10), &[DeviceState::Online, DeviceState::Disconnected]);
        assert_eq!(
            line,
            "1 online, 1 disconnected, 0 restarting | 5.0 sent/s, 149 accepted, 0 retried, 0 refused | p50 2.0 ms, p99 2.0 ms"
        );
    }
}
