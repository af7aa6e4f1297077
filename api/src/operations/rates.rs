//! Rates from counts: the difference between two samples.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Below, the counts are too coarse to be divided by the time.
const SHORTEST: Duration = Duration::from_secs(1);
/// A rate over more than this says nothing about now.
const LONGEST: Duration = Duration::from_secs(600);

/// The last sample: the next one makes rates with it.
#[derive(Debug, Default)]
pub struct PipelineSamples(Mutex<Option<Sample>>);

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at: Instant,
    pub accepted: f64,
    pub stored: f64,
}

/// Readings a second between two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub accepted_per_s: f64,
    pub stored_per_s: f64,
    pub measured_s: f64,
}

impl PipelineSamples {
    /// The rates since the last sample, where it was neither too near nor too far.
    pub fn rates(&self, now: Sample) -> Option<Rates> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rates = last.and_then(|last| Rates::between(last, now));
        if rates.is_some() || last.is_none_or(|last| now.at - last.at > SHORTEST) {
            *last = Some(now);
        }
        rates
    }
}

impl Rates {
    fn between(last: Sample, now: Sample) -> Option<Self> {
        let passed = now.at.saturating_duration_since(last.at);
        // A count that has become smaller: a partition was dropped, or the statistics were reset.
        let grew = now.accepted >= last.accepted && now.stored >= last.stored;
        let measured_s = passed.as_secs_f64();
        ((SHORTEST..=LONGEST).contains(&passed) && grew).then(|| Self {
            accepted_per_s: (now.accepted - last.accepted) / measured_s,
            stored_per_s: (now.stored - last.stored) / measured_s,
            measured_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{PipelineSamples, Sample};

    #[test]
    fn a_rate_needs_two_looks_that_are_neither_too_near_nor_too_far() {
        let (samples, start) = (PipelineSamples::default(), Instant::now());
        let at = |seconds: f64, count: f64| Sample {
            at: start + Duration::from_secs_f64(seconds),
            accepted: count,
            stored: 2.0 * count,
        };
        assert_eq!(samples.rates(at(0.0, 0.0)), None);
        assert_eq!(samples.rates(at(0.5, 50.0)), None);
        let rates = samples.rates(at(2.0, 100.0)).unwrap();
        assert_eq!((rates.accepted_per_s, rates.stored_per_s, rates.measured_s), (50.0, 100.0, 2.0));
        assert_eq!(samples.rates(at(1_000.0, 200.0)), None);
        assert_eq!(samples.rates(at(1_002.0, 100.0)), None, "a count that became smaller");
    }
}
