//! The one place that asks the machine what time it is; everything else is handed a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Tells the time in UTC, truncated to the microsecond that PostgreSQL keeps.
///
/// Truncated, not rounded, so that a value in a response equals the stored one.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Source);

#[derive(Debug, Clone, Copy)]
enum Source {
    System,
    /// Microseconds since 1970.
    Manual(&'static AtomicI64),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock for tests: it stands at `start` until its [`ManualClock`] moves it.
    ///
    /// Its eight bytes are leaked, which keeps [`Clock`] `Copy` and free of reference counts.
    pub fn manual(start: DateTime<Utc>) -> (Self, ManualClock) {
        let micros: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(start.timestamp_micros())));
        (Self(Source::Manual(micros)), ManualClock(micros))
    }

    /// The present instant.
    pub fn now(self) -> DateTime<Utc> {
        match self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
            Source::System => Utc::now().trunc_subsecs(6),
            Source::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::Relaxed)).unwrap_or(DateTime::UNIX_EPOCH)
            }
        }
    }
}

/// Moves the [`Clock`] it was made with, forwards or backwards.
#[derive(Debug)]
pub struct ManualClock(&'static AtomicI64);

impl ManualClock {
    /// Sets the clock.
    pub fn set(&self, now: DateTime<Utc>) {
        self.0.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// Moves the clock by `by`.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Timelike};

    use super::Clock;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved_and_all_its_copies_move_together() {
        let start = "2026-11-25T12:00:00.000001Z".parse().unwrap();
        let (clock, hand) = Clock::manual(start);
        let copy = clock;
        assert_eq!([clock.now(), copy.now()], [start, start]);
        hand.advance(TimeDelta::seconds(-3));
        assert_eq!([clock.now(), copy.now()], [start - TimeDelta::seconds(3); 2]);
        hand.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn the_system_clock_tells_whole_microseconds() {
        assert_eq!(Clock::system().now().nanosecond() % 1_000, 0);
    }
}
