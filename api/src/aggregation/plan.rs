//! Which part of an aggregated response comes from rollups and which from raw rows.
//!
//! ```text
//!   query.from                                                 query.to
//!     │ raw │            rollups, but for dirty hours              │ raw │
//!           └ first whole rollup          rollup watermark, or last ┘
//! ```

use chrono::{DateTime, TimeDelta, Utc};

use super::buckets::Step;
use super::time_zone::floor;
use super::types::{AggregateQuery, DataBounds};

const HOUR: TimeDelta = TimeDelta::hours(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// From an instant up to, but not including, another.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// A rollup table, and the span that it answers for.
#[derive(Debug, PartialEq, Eq)]
pub struct Rollups {
    pub table: &'static str,
    pub width: TimeDelta,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub dirty: Option<DirtyHours>,
}

/// Hours of rollups in which raw rows answer instead: late rows have changed them, or two buckets meet inside them.
#[derive(Debug, PartialEq, Eq)]
pub struct DirtyHours {
    /// Where hours may be marked as dirty.
    pub marked: Span,
    /// The hours in which two buckets of a time zone meet.
    pub split: Vec<DateTime<Utc>>,
    /// All of them lie in here.
    pub within: Span,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    pub rollups: Option<Rollups>,
    /// What raw rows answer for, beside dirty hours.
    pub raw: Vec<Span>,
}

impl Plan {
    pub fn new(query: &AggregateQuery<'_>, bounds: &DataBounds) -> Self {
        let rollups = coarsest_rollups(query).and_then(|(table, width)| {
            let ceil = |at: DateTime<Utc>| floor(at + width - TimeDelta::microseconds(1), width);
            // Nothing lies behind the newest row: its bucket is whole, and its raw rows may have been deleted.
            let has_newest = bounds.newest.is_some_and(|newest| newest < query.to);
            let end = if has_newest { ceil(query.to) } else { query.to };
            let (from, to) = (ceil(query.from), floor(end.min(bounds.rolled_until), width));
            (from < to).then_some(Rollups { table, width, from, to, dirty: None })
        });
        let Some(rollups) = rollups else { return Self { rollups: None, raw: vec![(query.from, query.to)] } };
        let raw = [(query.from, rollups.from), (rollups.to, query.to)];
        let dirty = dirty_hours(query, bounds, &rollups);
        Self {
            rollups: Some(Rollups { dirty, ..rollups }),
            raw: raw.into_iter().filter(|(from, to)| from < to).collect(),
        }
    }
}

/// The coarsest rollups of which the response can be computed.
fn coarsest_rollups(query: &AggregateQuery<'_>) -> Option<(&'static str, TimeDelta)> {
    if !query.measures.is_rolled_up() {
        return None;
    }
    let (source, buckets) = (query.measures.source, query.buckets);
    let hourly = Some((source.hourly(), HOUR));
    let minutely = || source.minutely().filter(|_| buckets.is_aligned(MINUTE)).map(|table| (table, MINUTE));
    match buckets.step {
        // Few hours hold a day's start; raw rows answer for them.
        Step::Days(_) => hourly,
        Step::Hour if buckets.is_aligned(HOUR) => hourly,
        Step::Hour | Step::Minute => minutely(),
    }
}

/// The hours that `rollups` cannot answer for.
fn dirty_hours(query: &AggregateQuery<'_>, bounds: &DataBounds, rollups: &Rollups) -> Option<DirtyHours> {
    let (first, behind) = (floor(rollups.from, HOUR).max(bounds.raw_from), rollups.to);
    let dirty =
        bounds.oldest_dirty.zip(bounds.newest_dirty).filter(|(oldest, newest)| *newest >= first && *oldest < behind);
    let split: Vec<_> = if rollups.width == HOUR {
        let hours = query.buckets.unaligned(HOUR).map(|start| floor(start, HOUR));
        hours.filter(|hour| *hour >= first && *hour < behind).collect()
    } else {
        Vec::new()
    };
    let dirty = dirty.map(|(oldest, newest)| (oldest.max(first), newest.min(behind - HOUR)));
    let oldest = dirty.iter().map(|(oldest, _)| *oldest).chain(split.iter().copied()).min()?;
    let newest = dirty.iter().map(|(_, newest)| *newest).chain(split.iter().copied()).max()?;
    let within = (rollups.from.max(oldest), rollups.to.min(newest + HOUR));
    Some(DirtyHours { marked: (first, behind), split, within })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;
    use pulso_shared::ids::DeviceId;
    use pulso_shared::rollup::Source;

    use super::super::buckets::{Buckets, Step};
    use super::super::statistic::{Measures, Metric, Statistic};
    use super::super::types::{AggregateQuery, DataBounds, Scope};
    use super::{HOUR, MINUTE, Plan};
    use crate::http::time_range::TimeRange;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-01-{text}:00Z").parse().unwrap()
    }

    fn bounds(rolled_until: &str, newest: &str) -> DataBounds {
        DataBounds {
            rolled_until: at(rolled_until),
            raw_from: at("01T00:00"),
            oldest_rollup: None,
            oldest_dirty: None,
            newest_dirty: None,
            newest: Some(at(newest)),
            devices: 1,
        }
    }

    /// The plan of readings from `from` to `to`.
    fn plan((from, to): (&str, &str), (step, zone): (Step, Tz), statistic: Statistic, bounds: &DataBounds) -> Plan {
        let (from, to) = (at(from), at(to));
        let measures = Measures { source: Source::Readings, metrics: vec![Metric::Column("voltage")], statistic };
        let buckets = Buckets::new(step, zone, TimeRange { from, to }, 100_000).unwrap();
        let scope = Scope::Device(DeviceId::generate());
        Plan::new(
            &AggregateQuery { scope, measures: &measures, buckets: &buckets, per_device: false, from, to },
            bounds,
        )
    }

    #[test]
    fn raw_rows_answer_for_both_ends_and_rollups_for_what_lies_between() {
        let bounds = bounds("03T05:00", "03T06:30");
        let plan = plan(("02T00:30", "03T06:00"), (Step::Hour, Tz::UTC), Statistic::Avg, &bounds);
        let rollups = plan.rollups.unwrap();
        assert_eq!((rollups.table, rollups.width), ("readings_hourly", HOUR));
        assert_eq!((rollups.from, rollups.to, rollups.dirty), (at("02T01:00"), at("03T05:00"), None));
        assert_eq!(plan.raw, [(at("02T00:30"), at("02T01:00")), (at("03T05:00"), at("03T06:00"))]);
    }

    #[test]
    fn the_bucket_of_the_newest_row_is_whole() {
        let bounds = bounds("04T00:00", "03T05:20");
        let plan = plan(("02T00:00", "03T05:30"), (Step::Hour, Tz::UTC), Statistic::Max, &bounds);
        assert_eq!(plan.rollups.unwrap().to, at("03T06:00"));
        assert_eq!(plan.raw, []);
    }

    #[test]
    fn what_rollups_do_not_hold_comes_from_raw_rows_alone() {
        let bounds = bounds("03T05:00", "03T06:30");
        let range = ("02T00:30", "03T06:00");
        let all_raw = Plan { rollups: None, raw: vec![(at(range.0), at(range.1))] };
        assert_eq!(plan(range, (Step::Hour, Tz::UTC), Statistic::P95, &bounds), all_raw);
        let unrolled = self::bounds("01T00:00", "03T06:30");
        assert_eq!(plan(range, (Step::Hour, Tz::UTC), Statistic::Avg, &unrolled), all_raw);
    }

    #[test]
    fn hours_of_a_zone_that_is_half_an_hour_off_need_minutes_and_days_need_their_first_hours_raw() {
        let bounds = bounds("05T00:00", "06T00:00");
        let range = ("02T00:00", "04T00:00");
        let hours = plan(range, (Step::Hour, Tz::Asia__Kolkata), Statistic::Avg, &bounds).rollups.unwrap();
        assert_eq!((hours.table, hours.width, hours.dirty), ("readings_minutely", MINUTE, None));
        let days = plan(range, (Step::Days(1), Tz::Asia__Kolkata), Statistic::Avg, &bounds).rollups.unwrap();
        let dirty = days.dirty.unwrap();
        assert_eq!(days.table, "readings_hourly");
        assert_eq!(dirty.split, [at("02T18:00"), at("03T18:00")]);
        assert_eq!(dirty.within, (at("02T18:00"), at("03T19:00")));
    }

    #[test]
    fn dirty_hours_count_only_where_rollups_are_read() {
        let range = ("02T00:00", "04T00:00");
        let with = |oldest, newest| DataBounds {
            oldest_dirty: Some(at(oldest)),
            newest_dirty: Some(at(newest)),
            ..bounds("05T00:00", "06T00:00")
        };
        let dirty = |bounds: &DataBounds| {
            plan(range, (Step::Hour, Tz::UTC), Statistic::Avg, bounds).rollups.unwrap().dirty.map(|dirty| dirty.within)
        };
        assert_eq!(dirty(&with("01T00:00", "01T05:00")), None);
        assert_eq!(dirty(&with("04T00:00", "04T05:00")), None);
        assert_eq!(dirty(&with("01T00:00", "02T05:00")), Some((at("02T00:00"), at("02T06:00"))));
        assert_eq!(dirty(&with("03T00:00", "04T05:00")), Some((at("03T00:00"), at("04T00:00"))));
        assert_eq!(dirty(&with("02T07:00", "02T07:00")), Some((at("02T07:00"), at("02T07:00") + TimeDelta::hours(1))));
    }
}
