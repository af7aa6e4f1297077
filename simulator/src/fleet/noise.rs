//! Chance as a function of time: the same device at the same moment always has the same luck.

use std::time::Duration;

use crate::draw::{mix, share};

/// A stretch of time out of an endless row of equal ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Which one, counted from 1970.
    pub number: u64,
    /// How far into it the moment is, s.
    pub into_s: f64,
}

impl Stretch {
    /// The stretch of `length` that `at` (since 1970) falls into.
    #[must_use]
    pub fn at(at: Duration, length: Duration) -> Self {
        let (at_us, length_us) = (micros(at), micros(length).max(1));
        Self { number: at_us / length_us, into_s: Duration::from_micros(at_us % length_us).as_secs_f64() }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The luck of one device in one matter.
#[derive(Debug, Clone, Copy)]
pub struct Luck(u64);

impl Luck {
    /// Luck that `seed` decides; every `matter` has its own.
    #[must_use]
    pub fn new(seed: u64, matter: &str) -> Self {
        Self(matter.bytes().fold(mix(seed), |sum, byte| mix(sum ^ u64::from(byte))))
    }

    /// At least 0 and below 1; for `number`, always the same.
    #[must_use]
    pub fn share(self, number: u64) -> f64 {
        share(mix(self.0 ^ mix(number)))
    }

    /// Between `low` and `high`; always the same.
    #[must_use]
    pub fn between(self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share(0)
    }

    /// A value between 0 and 1 that wanders, taking about `pace` to go elsewhere.
    #[must_use]
    pub fn wander(self, at: Duration, pace: Duration) -> f64 {
        let stretch = Stretch::at(at, pace);
        let (from, to) = (self.share(stretch.number), self.share(stretch.number.saturating_add(1)));
        let way = stretch.into_s / pace.as_secs_f64();
        // Smoothstep: no corner where one stretch meets the next.
        from + (to - from) * way * way * (3.0 - 2.0 * way)
    }

    /// Something that happens now and then and takes a while; how far into it `at` is and how long it is, s.
    #[must_use]
    pub fn event(self, at: Duration, event: Event) -> Option<(f64, f64)> {
        let stretch = Stretch::at(at, event.every);
        let happens = self.share(stretch.number.wrapping_mul(3)) < event.probability;
        let length_s = event.shortest_s
            + (event.longest_s - event.shortest_s) * self.share(stretch.number.wrapping_mul(3).wrapping_add(1));
        let latest_start_s = (event.every.as_secs_f64() - length_s).max(0.0);
        let start_s = latest_start_s * self.share(stretch.number.wrapping_mul(3).wrapping_add(2));
        let into_s = stretch.into_s - start_s;
        (happens && (0.0..length_s).contains(&into_s)).then_some((into_s, length_s))
    }
}

/// How often something happens and how long it takes: at most once in each stretch of `every`, inside it.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Length of the stretches.
    pub every: Duration,
    /// Share of the stretches in which it happens.
    pub probability: f64,
    /// Shortest, s.
    pub shortest_s: f64,
    /// Longest, s.
    pub longest_s: f64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Event, Luck, Stretch};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_moment_falls_into_one_stretch() {
        let stretch = Stretch::at(Duration::from_millis(125_500), MINUTE);
        assert_eq!(stretch, Stretch { number: 2, into_s: 5.5 });
    }

    #[test]
    fn what_wanders_makes_no_jumps() {
        let luck = Luck::new(1, "x");
        let values: Vec<_> = (0..6_000).map(|step| luck.wander(Duration::from_millis(step * 100), MINUTE)).collect();
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.01));
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)));
    }

    #[test]
    fn events_happen_about_as_often_as_they_should_and_last_as_long() {
        let luck = Luck::new(1, "x");
        let event = Event { every: MINUTE, probability: 0.5, shortest_s: 10.0, longest_s: 20.0 };
        let seconds = 60 * 2_000;
        let during = (0..seconds).filter(|second| luck.event(Duration::from_secs(*second), event).is_some()).count();
        // Half of the minutes have one of 15 s on average: an eighth of the time.
        assert!((12_000..18_000).contains(&during), "{during}");
    }
}
