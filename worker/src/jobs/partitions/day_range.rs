//! The days that a partition holds, in its name and among others'.

use std::iter::once;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};

/// As a partition's first day: nothing is older.
pub const BEGINNING: NaiveDate = NaiveDate::MIN;
/// [`BEGINNING`] in a partition's name.
const BEGINNING_NAME: &str = "beginning";
const DATE: &str = "%Y%m%d";

/// Whole days (UTC), from one up to, but not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    pub from: NaiveDate,
    pub until: NaiveDate,
}

impl DayRange {
    /// The partition of `table` with these days: `readings_20261130`, or `readings_20261101_20261130` for several.
    pub fn partition_of(self, table: &str) -> String {
        let until = self.until.format(DATE);
        match self.from {
            BEGINNING => format!("{table}_{BEGINNING_NAME}_{until}"),
            from if from.checked_add_days(Days::new(1)) == Some(self.until) => format!("{table}_{}", from.format(DATE)),
            from => format!("{table}_{}_{until}", from.format(DATE)),
        }
    }

    /// The days of a partition of `table`; `None` for another table.
    pub fn of_partition(table: &str, partition: &str) -> Option<Self> {
        let name = partition.strip_prefix(table)?.strip_prefix('_')?;
        let date = |text: &str| NaiveDate::parse_from_str(text, DATE).ok().filter(|_| text.len() == 8);
        match name.split_once('_') {
            Some((BEGINNING_NAME, until)) => Some(Self { from: BEGINNING, until: date(until)? }),
            Some((from, until)) => Some(Self { from: date(from)?, until: date(until)? }),
            None => Some(Self { from: date(name)?, until: date(name)?.checked_add_days(Days::new(1))? }),
        }
    }

    /// The first instant after it.
    pub fn end(self) -> DateTime<Utc> {
        self.until.and_time(NaiveTime::MIN).and_utc()
    }

    /// SQL for the bounds of its partition.
    pub fn bounds(self) -> (String, String) {
        let from = if self.from == BEGINNING { "MINVALUE".to_owned() } else { literal(self.from) };
        (from, literal(self.until))
    }

    /// SQL for the condition that a row lies in it.
    pub fn holds_row(self) -> String {
        let until = literal(self.until);
        if self.from == BEGINNING {
            format!("ts < {until}")
        } else {
            format!("ts >= {} AND ts < {until}", literal(self.from))
        }
    }

    /// SQL for the opposite. Written this way, PostgreSQL sees by itself that it excludes the partition's rows.
    pub fn excludes_row(self) -> String {
        format!("ts < {} OR ts >= {}", literal(self.from), literal(self.until))
    }
}

fn literal(day: NaiveDate) -> String {
    format!("'{day} 00:00:00+00'")
}

/// What `taken` leaves between `oldest` and `end`: single days from `today` on, pieces of at most a month before it.
pub fn missing(taken: &[DayRange], oldest: NaiveDate, today: NaiveDate, end: NaiveDate) -> Vec<DayRange> {
    let mut taken = taken.to_vec();
    taken.sort_by_key(|range| range.from);
    let (mut pieces, mut from) = (Vec::new(), oldest);
    for next in taken.into_iter().chain(once(DayRange { from: end, until: end })) {
        while from < next.from.min(end) {
            let until = piece_end(from, today).min(next.from).min(end);
            pieces.push(DayRange { from, until });
            from = until;
        }
        from = from.max(next.until);
    }
    pieces
}

fn piece_end(from: NaiveDate, today: NaiveDate) -> NaiveDate {
    let last = NaiveDate::MAX;
    if from >= today {
        return from.checked_add_days(Days::new(1)).unwrap_or(last);
    }
    first_of_month(from).checked_add_months(Months::new(1)).unwrap_or(last).min(today)
}

/// The first day of the day's month.
pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// The days between `taken` ranges that hold all days from `first` to `last`; `None` when some of these are taken. Where
/// nothing later is taken, they end at `open_end`, or the day after `last`.
pub fn gap_around(taken: &[DayRange], first: NaiveDate, last: NaiveDate, open_end: NaiveDate) -> Option<DayRange> {
    let from = taken.iter().map(|range| range.until).filter(|until| *until <= first).max().unwrap_or(BEGINNING);
    let until = taken.iter().map(|range| range.from).filter(|from| *from > last).min();
    let until = until.or_else(|| Some(open_end.max(last.checked_add_days(Days::new(1))?)))?;
    let is_free = taken.iter().all(|range| range.until <= from || range.from >= until);
    is_free.then_some(DayRange { from, until })
}

#[cfg(test)]
mod tests {
    use super::{BEGINNING, DayRange, gap_around, missing};

    fn range(from: &str, until: &str) -> DayRange {
        let from = if from.is_empty() { BEGINNING } else { from.parse().unwrap() };
        DayRange { from, until: until.parse().unwrap() }
    }

    #[test]
    fn a_partition_is_named_by_its_days_and_they_can_be_read_from_its_name() {
        for (days, name) in [
            (range("2026-02-03", "2026-02-04"), "readings_20260203"),
            (range("2026-02-01", "2026-03-01"), "readings_20260201_20260301"),
            (range("", "2026-03-01"), "readings_beginning_20260301"),
        ] {
            assert_eq!(days.partition_of("readings"), name);
            assert_eq!(DayRange::of_partition("readings", name), Some(days));
        }
        for other in
            ["readings_default", "readings_20261301", "heartbeats_20261101", "readings20261101", "readings_2026"]
        {
            assert_eq!(DayRange::of_partition("readings", other), None, "{other}");
        }
    }

    #[test]
    fn what_is_missing_are_months_of_the_past_and_days_from_today_on() {
        let (oldest, today, end) =
            ("2026-09-01".parse().unwrap(), "2026-11-10".parse().unwrap(), "2026-11-12".parse().unwrap());
        let past = [range("2026-09-01", "2026-10-01"), range("2026-10-01", "2026-11-01")];
        let days =
            [range("2026-11-01", "2026-11-10"), range("2026-11-10", "2026-11-11"), range("2026-11-11", "2026-11-12")];
        assert_eq!(missing(&[], oldest, today, end), [&past[..], &days].concat());
        let taken = [range("2026-11-10", "2026-11-11"), range("", "2026-09-20"), range("2026-10-05", "2026-11-09")];
        let left = [
            range("2026-09-20", "2026-10-01"),
            range("2026-10-01", "2026-10-05"),
            range("2026-11-09", "2026-11-10"),
            range("2026-11-11", "2026-11-12"),
        ];
        assert_eq!(missing(&taken, oldest, today, end), left);
        assert_eq!(missing(&[range("", "2027-01-01")], oldest, today, end), []);
    }

    #[test]
    fn a_gap_holds_all_rows_or_there_is_none() {
        let day = |text: &str| text.parse().unwrap();
        let taken = [range("2026-11-01", "2026-11-05"), range("2026-11-09", "2026-11-12")];
        let gap = |first, last| gap_around(&taken, day(first), day(last), day("2026-11-14"));
        assert_eq!(gap("2019-01-01", "2026-10-31"), Some(range("", "2026-11-01")));
        assert_eq!(gap("2026-11-06", "2026-11-06"), Some(range("2026-11-05", "2026-11-09")));
        assert_eq!(gap("2026-11-12", "2026-11-12"), Some(range("2026-11-12", "2026-11-14")));
        assert_eq!(gap("2026-11-12", "2026-12-24"), Some(range("2026-11-12", "2026-12-25")));
        assert_eq!(gap("2019-01-01", "2026-11-06"), None, "in two gaps");
        assert_eq!(
            gap_around(&[], day("2019-01-01"), day("2020-01-01"), day("2026-11-14")),
            Some(range("", "2026-11-14"))
        );
    }
}
