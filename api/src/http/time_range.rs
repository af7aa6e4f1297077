//! Ranges of time, as clients ask for them.

use chrono::{DateTime, Utc};

/// The years 0000 to 9999 are what RFC 3339 can say; PostgreSQL can keep all of them.
pub const EARLIEST: DateTime<Utc> = at_second(-62_167_219_200);
/// The last second of the year 9999.
pub const LATEST: DateTime<Utc> = at_second(253_402_300_799);

const fn at_second(second: i64) -> DateTime<Utc> {
    match DateTime::from_timestamp(second, 0) {
        Some(instant) => instant,
        None => DateTime::UNIX_EPOCH,
    }
}

/// A range of time; both ends are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

impl TimeRange {
    /// All of time, as far as it can be stored.
    pub const ALL: Self = Self { from: EARLIEST, to: LATEST };

    /// A range of which either end may be open.
    pub fn between(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Self {
        Self { from: start.unwrap_or(EARLIEST), to: end.unwrap_or(LATEST) }
    }

    pub fn contains(&self, instant: DateTime<Utc>) -> bool {
        (self.from..=self.to).contains(&instant)
    }
}
