//! What the fleet has done, for the live line.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::measures::Presence;
use crate::rates::per_second;

/// Longest latency that is told apart, µs.
const LONGEST_US: u64 = 60_000_000;

/// Counts of all devices.
#[derive(Default)]
pub struct Stats(Mutex<Counts>);

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Items that were sent, whatever became of them.
    pub sent: u64,
    /// Items that were taken.
    pub accepted: u64,
    /// Requests to be sent again.
    pub retried: u64,
    /// Items refused for good.
    pub refused: u64,
    /// Items lost because a device's memory was full.
    pub dropped: u64,
    /// Devices that no longer exist for the API.
    pub gone: u64,
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

    /// The counts; the latencies begin anew.
    #[must_use]
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
    /// Notes how long a 2xx took.
    pub fn note_latency(&mut self, latency: Duration) {
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

    /// The live line: what happened since `earlier`, and how the devices are.
    #[must_use]
    pub fn line(&self, earlier: &Self, passed: Duration, presences: &[Presence]) -> String {
        let are = |wanted| presences.iter().filter(|presence| **presence == wanted).count();
        let mut line = format!(
            "{} online, {} away, {} restarting | {:.1} sent/s, {} accepted, {} retried, {} refused | p50 {:.1} ms, p99 {:.1} ms",
            are(Presence::Online),
            are(Presence::Away),
            are(Presence::Restarting),
            per_second(self.sent.saturating_sub(earlier.sent), passed),
            self.accepted,
            self.retried,
            self.refused,
            self.latency_ms(0.5),
            self.latency_ms(0.99),
        );
        for (count, what) in [(self.dropped, "dropped"), (self.gone, "devices gone")] {
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

    use super::super::measures::Presence;
    use super::Stats;

    #[test]
    fn the_line_tells_rates_since_the_last_one_and_totals() {
        let stats = Stats::default();
        stats.update(|counts| counts.sent = 100);
        let earlier = stats.take();
        stats.update(|counts| {
            counts.sent = 150;
            counts.accepted = 149;
            counts.note_latency(Duration::from_millis(2));
        });
        let line = stats.take().line(&earlier, Duration::from_secs(10), &[Presence::Online, Presence::Away]);
        assert_eq!(
            line,
            "1 online, 1 away, 0 restarting | 5.0 sent/s, 149 accepted, 0 retried, 0 refused | p50 2.0 ms, p99 2.0 ms"
        );
    }
}
