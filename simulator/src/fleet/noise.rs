//! Noise as a function of time: the same device at the same time always has the same values.

use std::time::Duration;

use crate::random::{fraction, mix};

/// One of the periods of equal length that time is divided into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Counted from 1970.
    pub number: u64,
    /// Time since its start, s.
    pub offset_s: f64,
}

impl Period {
    /// The period of `length` that `at` (since 1970) falls into.
    pub fn at(at: Duration, length: Duration) -> Self {
        let (at_us, length_us) = (micros(at), micros(length).max(1));
        Self { number: at_us / length_us, offset_s: Duration::from_micros(at_us % length_us).as_secs_f64() }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The noise of one signal of one device.
#[derive(Debug, Clone, Copy)]
pub struct Noise(u64);

impl Noise {
    /// `seed` is the device's; every `signal` has noise of its own.
    pub fn new(seed: u64, signal: &str) -> Self {
        Self(signal.bytes().fold(mix(seed), |sum, byte| mix(sum ^ u64::from(byte))))
    }

    /// At least 0 and below 1; constant for `number`.
    pub fn fraction(self, number: u64) -> f64 {
        fraction(mix(self.0 ^ mix(number)))
    }

    /// Between `low` and `high`; constant.
    pub fn between(self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.fraction(0)
    }

    /// Value noise: between 0 and 1, with a new value in each period of `length` and a smooth curve between them.
    pub fn smooth(self, at: Duration, length: Duration) -> f64 {
        let period = Period::at(at, length);
        let (from, to) = (self.fraction(period.number), self.fraction(period.number.saturating_add(1)));
        let part = period.offset_s / length.as_secs_f64();
        // Smoothstep: no corner where two periods meet.
        from + (to - from) * part * part * (3.0 - 2.0 * part)
    }

    /// An event that `at` falls into; the time since its start and its length, s.
    pub fn event(self, at: Duration, event: Event) -> Option<(f64, f64)> {
        let period = Period::at(at, event.every);
        let happens = self.fraction(period.number.wrapping_mul(3)) < event.probability;
        let length_s = event.shortest_s
            + (event.longest_s - event.shortest_s) * self.fraction(period.number.wrapping_mul(3).wrapping_add(1));
        let latest_start_s = (event.every.as_secs_f64() - length_s).max(0.0);
        let start_s = latest_start_s * self.fraction(period.number.wrapping_mul(3).wrapping_add(2));
        let offset_s = period.offset_s - start_s;
        (happens && (0.0..length_s).contains(&offset_s)).then_some((offset_s, length_s))
    }
}

/// How often an event happens and how long it takes: at most once in each period of `every`, inside it.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Length of the periods.
    pub every: Duration,
    /// Share of the periods in which it happens.
    pub probability: f64,
    /// Shortest, s.
    pub shortest_s: f64,
    /// Longest, s.
    pub longest_s: f64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Event, Noise, Period};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_time_falls_into_one_period() {
        let period = Period::at(Duration::from_millis(125_500), MINUTE);
        assert_eq!(period, Period { number: 2, offset_s: 5.5 });
    }

    #[test]
    fn smooth_noise_has_no_jumps() {
        let noise = Noise::new(1, "x");
        let values: Vec<_> = (0..6_000).map(|step| noise.smooth(Duration::from_millis(step * 100), MINUTE)).collect();
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.01));
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    }

    #[test]
    fn events_happen_about_as_often_as_they_should_and_last_as_long() {
        let noise = Noise::new(1, "x");
        let event = Event { every: MINUTE, probability: 0.5, shortest_s: 10.0, longest_s: 20.0 };
        let seconds = 60 * 2_000;
        let during = (0..seconds).filter(|second| noise.event(Duration::from_secs(*second), event).is_some()).count();
        // Half of the minutes have one of 15 s on average: an eighth of the time.
        assert!((12_000..18_000).contains(&during), "{during}");
    }
}
