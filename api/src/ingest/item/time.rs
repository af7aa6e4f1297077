//! Rules of an item that need the clock.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// What timestamps are compared with.
#[derive(Debug, Clone, Copy)]
pub struct TimeRules<'a> {
    /// When the request arrived.
    pub now: DateTime<Utc>,
    /// Oldest timestamp taken.
    pub max_age: TimeDelta,
    /// Where items without a timestamp get theirs.
    pub given: &'a GivenTimestamps,
}

/// Timestamps for readings that bring none, no two alike: each of them is a reading of its own, and a row is known by
/// its device and its timestamp.
#[derive(Debug, Default)]
pub struct GivenTimestamps {
    /// The newest one given, µs since 1970.
    last: AtomicI64,
}

impl GivenTimestamps {
    /// The present instant, or the first microsecond after it that has not been given yet.
    pub fn next(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let now_us = now.timestamp_micros();
        let following = |last: i64| Some(now_us.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, following).unwrap_or(now_us);
        DateTime::from_timestamp_micros(now_us.max(last.saturating_add(1))).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::GivenTimestamps;

    #[test]
    fn no_two_given_timestamps_are_alike() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let given = GivenTimestamps::default();
        let second = now + TimeDelta::microseconds(1);
        assert_eq!(
            [given.next(now), given.next(now), given.next(second)],
            [now, second, second + TimeDelta::microseconds(1)]
        );
    }
}
