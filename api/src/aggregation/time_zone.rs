//! Where minutes, hours and days begin in a time zone, also where its offset to UTC changes.
//!
//! A bucket never holds two offsets: where the offset changes inside an hour, another one begins. A day begins with the
//! first instant of its date, so it has 23, 24 or 25 hours, or whatever the zone decreed.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::http::time_range::TimeRange;

/// The starts of the buckets of `width` (a minute or an hour) from the one that holds the start of `range` to the one
/// that holds its end.
pub fn starts(zone: Tz, width: TimeDelta, range: TimeRange) -> Vec<DateTime<Utc>> {
    let first = start_of(zone, width, range.from);
    std::iter::successors(Some(first), |start| Some(next(zone, width, *start)))
        .take_while(|start| *start <= range.to)
        .collect()
}

/// The starts of the days, `days` at a time, likewise.
pub fn day_starts(zone: Tz, days: u32, range: TimeRange) -> Vec<DateTime<Utc>> {
    let step = i32::try_from(days.max(1)).unwrap_or(i32::MAX);
    let number = range.from.with_timezone(&zone).date_naive().num_days_from_ce();
    // 0001-01-01 is day 1, and where PostgreSQL counts from in UTC.
    let first = number.saturating_sub((number.saturating_sub(1)).rem_euclid(step));
    let dates = std::iter::successors(Some(first), |number| number.checked_add(step))
        .map_while(NaiveDate::from_num_days_from_ce_opt)
        .map(|date| day_start(zone, date));
    let mut starts: Vec<_> = dates.take_while(|start| *start <= range.to).collect();
    // A date that a zone has left out starts when the next one does.
    starts.dedup();
    starts
}

fn day_start(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    let midnight = date.and_time(chrono::NaiveTime::MIN);
    match zone.from_local_datetime(&midnight).earliest() {
        Some(start) => start.to_utc(),
        // The offset changed over midnight. No zone is further than 16 hours from UTC.
        None => {
            first_instant(midnight.and_utc() - TimeDelta::hours(16), midnight.and_utc() + TimeDelta::hours(16), |at| {
                at.with_timezone(&zone).date_naive() >= date
            })
        }
    }
}

/// The start of the bucket that holds `at`.
fn start_of(zone: Tz, width: TimeDelta, at: DateTime<Utc>) -> DateTime<Utc> {
    let offset = offset(zone, at);
    let start = floor(at + offset, width) - offset;
    let same = |earlier| self::offset(zone, earlier) == offset;
    if same(start) { start } else { first_instant(start, at, same) }
}

/// The start of the bucket after the one that starts at `start`.
fn next(zone: Tz, width: TimeDelta, start: DateTime<Utc>) -> DateTime<Utc> {
    let offset = offset(zone, start);
    let end = floor(start + offset, width) + width - offset;
    let other = |later| self::offset(zone, later) != offset;
    if other(end - TimeDelta::seconds(1)) { first_instant(start, end, other) } else { end }
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// The start of the bucket of `width` that holds `at`, counted from [`ORIGIN`].
pub fn floor(at: DateTime<Utc>, width: TimeDelta) -> DateTime<Utc> {
    let micros = width.num_microseconds().filter(|micros| *micros > 0).unwrap_or(1);
    let since = at.timestamp_micros().saturating_sub(ORIGIN.timestamp_micros());
    at - TimeDelta::microseconds(since.rem_euclid(micros))
}

/// 0001-01-01: where buckets are counted from.
pub const ORIGIN: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(origin) => origin,
    None => DateTime::UNIX_EPOCH,
};

/// The first whole second from `from` to `to` for which `is` holds. It must hold for `to`, and for all after the first.
fn first_instant(from: DateTime<Utc>, to: DateTime<Utc>, is: impl Fn(DateTime<Utc>) -> bool) -> DateTime<Utc> {
    let (mut before, mut at) = (from.timestamp(), to.timestamp());
    while at.saturating_sub(before) > 1 {
        let middle = before.midpoint(at);
        let found = DateTime::from_timestamp(middle, 0).is_some_and(&is);
        if found { at = middle } else { before = middle }
    }
    DateTime::from_timestamp(at, 0).unwrap_or(to)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;

    use super::{day_starts, starts};
    use crate::http::time_range::TimeRange;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn shown(starts: &[DateTime<Utc>]) -> Vec<String> {
        starts.iter().map(|start| start.format("%d %H:%M").to_string()).collect()
    }

    fn hours(zone: Tz, from: &str, to: &str) -> Vec<String> {
        shown(&starts(zone, TimeDelta::hours(1), TimeRange { from: at(from), to: at(to) }))
    }

    fn days(zone: Tz, from: &str, to: &str) -> Vec<String> {
        shown(&day_starts(zone, 1, TimeRange { from: at(from), to: at(to) }))
    }

    #[test]
    fn days_have_23_and_25_hours_where_the_offset_changes() {
        let spring = days(Tz::Europe__Berlin, "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z");
        assert_eq!(spring, ["27 23:00", "28 23:00", "29 22:00"]);
        let autumn = days(Tz::Europe__Berlin, "2026-10-24T22:00:00Z", "2026-10-26T00:00:00Z");
        assert_eq!(autumn, ["24 22:00", "25 23:00"]);
    }

    #[test]
    fn a_day_begins_with_its_first_instant_even_where_it_has_no_midnight_or_two() {
        // São Paulo, 2018: at 00:00 it was 01:00. Havana, 2026: at 01:00 it is 00:00 again. Samoa left out 2011-12-30.
        let none = days(Tz::America__Sao_Paulo, "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z");
        assert_eq!(none, ["03 03:00", "04 03:00", "05 02:00"]);
        let two = days(Tz::America__Havana, "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z");
        assert_eq!(two, ["31 04:00", "01 04:00", "02 05:00"]);
        let left_out = days(Tz::Pacific__Apia, "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z");
        assert_eq!(left_out, ["29 10:00", "30 10:00", "31 10:00"]);
    }

    #[test]
    fn hours_begin_where_the_zone_says() {
        assert_eq!(
            hours(Tz::Asia__Kolkata, "2026-01-01T00:10:00Z", "2026-01-01T01:30:00Z"),
            ["31 23:30", "01 00:30", "01 01:30"]
        );
        assert_eq!(
            hours(Tz::Asia__Kathmandu, "2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z"),
            ["31 23:15", "01 00:15"]
        );
        // Lord Howe turns its clocks by half an hour: of the hour from 01:00, the half from 01:30 comes again.
        let back = hours(Tz::Australia__Lord_Howe, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z");
        assert_eq!(back, ["04 14:00", "04 15:00", "04 15:30"]);
        let again = hours(Tz::Australia__Lord_Howe, "2026-04-04T15:10:00Z", "2026-04-04T15:10:00Z");
        assert_eq!(again, ["04 15:00"]);
        assert_eq!(hours(Tz::America__New_York, "2026-11-01T04:30:00Z", "2026-11-01T07:00:00Z").len(), 4);
    }

    #[test]
    fn several_days_at_a_time_begin_where_they_do_for_everybody() {
        let until = |from: &str| TimeRange { from: at(from), to: at("2026-02-01T00:00:00Z") };
        let count = |from: &str| day_starts(Tz::UTC, 7, until(from));
        assert_eq!(count("2026-01-03T00:00:00Z")[1..], count("2026-01-06T00:00:00Z")[..]);
        assert!(count("2026-01-03T00:00:00Z").windows(2).all(|pair| pair[1] - pair[0] == TimeDelta::days(7)));
    }
}
