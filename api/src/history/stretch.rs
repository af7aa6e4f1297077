//! A stretch of a device's history: how it is cut into pages, and into pieces for the database.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use utoipa::ToSchema;

/// The finest step between two stored timestamps.
const STEP: TimeDelta = TimeDelta::microseconds(1);
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

/// How much of a stretch is looked at first, and second. Tables are partitioned by day, and what a query may need of
/// them is planned and opened: over two years of partitions that takes 90 ms, over two of them 0.4 ms.
const FIRST_LOOK: TimeDelta = TimeDelta::days(1);
const SECOND_LOOK: TimeDelta = TimeDelta::days(32);

/// The order of rows in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case", default = "desc")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// A stretch of time, both of its ends included, and the order in which it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its oldest instant.
    pub from: DateTime<Utc>,
    /// Its newest instant.
    pub to: DateTime<Utc>,
    /// The order.
    pub order: Order,
}

impl Order {
    /// The order that a query calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "asc" => Some(Self::Asc),
            "desc" => Some(Self::Desc),
            _ => None,
        }
    }
}

impl Stretch {
    /// What is left of it behind a page that ended with the row at `cursor`.
    #[must_use]
    pub fn after(self, cursor: Option<Cursor>) -> Self {
        match (cursor, self.order) {
            (None, _) => self,
            (Some(Cursor(last)), Order::Asc) => Self { from: self.from.max(last + STEP), ..self },
            (Some(Cursor(last)), Order::Desc) => Self { to: self.to.min(last - STEP), ..self },
        }
    }

    /// It, in up to three pieces, in the order in which they are to be read: a page seldom needs more than the first.
    /// `newest` is the newest row there is, where that is known; it decides how well the pieces fit, not what is in
    /// them.
    pub fn pieces(self, newest: Option<DateTime<Utc>>) -> impl Iterator<Item = Self> {
        let Self { from, to, order } = self;
        let pieces = match order {
            Order::Asc => {
                let (near, far) = (from + FIRST_LOOK, from + SECOND_LOOK);
                [(from, to.min(near)), (near + STEP, to.min(far)), (far + STEP, to)]
            }
            Order::Desc => {
                let newest = newest.map_or(to, |newest| newest.min(to));
                let (near, far) = (newest - FIRST_LOOK, newest - SECOND_LOOK);
                [(from.max(near), to), (from.max(far), near - STEP), (from, far - STEP)]
            }
        };
        let pieces = pieces.into_iter().filter(|(from, to)| from <= to);
        pieces.map(move |(from, to)| Self { from, to, order })
    }
}

/// Where a page ends: the timestamp of its last row, which within one device's history is that row's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub DateTime<Utc>);

/// A text that is none of our cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct CursorError;

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016x}", self.0.timestamp_micros().cast_unsigned())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CursorError);
        }
        let micros = u64::from_str_radix(text, 16).map_err(|_| CursorError)?.cast_signed();
        let instant = DateTime::from_timestamp_micros(micros).filter(|instant| (EARLIEST..=LATEST).contains(instant));
        instant.map(Self).ok_or(CursorError)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Cursor, CursorError, EARLIEST, LATEST, Order, STEP, Stretch};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for instant in ["2026-11-21T12:00:00.123456Z", "1969-12-31T23:59:59.999999Z"] {
            let cursor = Cursor(at(instant));
            assert_eq!(cursor.to_string().parse(), Ok(cursor), "{instant}");
        }
        for text in ["", "abc", "zzzzzzzzzzzzzzzz", "7fffffffffffffff", "+00000000000000f", "8000000000000000"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn pieces_are_the_whole_stretch_without_gap_or_overlap() {
        let newest = [None, Some(at("2026-11-21T12:00:00Z")), Some(EARLIEST), Some(LATEST)];
        let noon = at("2026-11-21T12:00:00Z");
        let ranges = [(EARLIEST, LATEST), (noon, noon), (at("2026-11-01T00:00:00Z"), LATEST)];
        let orders = [Order::Asc, Order::Desc];
        let stretches =
            ranges.iter().flat_map(|(from, to)| orders.map(|order| Stretch { from: *from, to: *to, order }));
        for (stretch, newest) in stretches.flat_map(|stretch| newest.map(|newest| (stretch, newest))) {
            let mut pieces: Vec<_> = stretch.pieces(newest).collect();
            if stretch.order == Order::Desc {
                pieces.reverse();
            }
            assert_eq!(pieces.first().unwrap().from, stretch.from, "{stretch:?} {newest:?}");
            assert_eq!(pieces.last().unwrap().to, stretch.to, "{stretch:?} {newest:?}");
            for pair in pieces.windows(2) {
                assert_eq!(pair[0].to + STEP, pair[1].from, "{stretch:?} {newest:?}");
            }
        }
    }

    #[test]
    fn the_next_page_begins_behind_the_last_row() {
        let cursor = Some(Cursor(at("2026-11-21T12:00:00Z")));
        let all = |order| Stretch { from: EARLIEST, to: LATEST, order };
        assert_eq!(all(Order::Asc).after(cursor).from, at("2026-11-21T12:00:00.000001Z"));
        assert_eq!(all(Order::Desc).after(cursor).to, at("2026-11-21T11:59:59.999999Z"));
        let later = Stretch { from: at("2026-11-21T13:00:00Z"), ..all(Order::Asc) };
        assert_eq!(later.after(cursor), later);
    }

    #[test]
    fn behind_the_last_row_of_all_there_is_nothing() {
        let noon = at("2026-11-21T12:00:00Z");
        for order in [Order::Asc, Order::Desc] {
            let rest = Stretch { from: noon, to: noon, order }.after(Some(Cursor(noon)));
            assert_eq!(rest.pieces(Some(noon)).count(), 0, "{order:?}");
        }
    }
}
