//! The time buckets of an aggregated response.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::ToSchema;

use super::time_zone::{day_starts, floor, starts};
use crate::http::time_range::TimeRange;

/// Most buckets of one response, so that it fits into memory.
pub const MAX_BUCKETS: u32 = 100_000;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Minute,
    Hour,
    Days(u32),
}

/// Which step is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// A point a minute.
    Minute,
    /// A point an hour.
    Hour,
    /// A point a day.
    Day,
    /// The finest step that keeps the answer under `max_points`.
    Auto,
}

/// More buckets than a response may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("would be about {buckets} points, of at most {most}: ask for a shorter time, a longer step or fewer metrics")]
pub struct TooManyBuckets {
    buckets: i64,
    most: u32,
}

/// The buckets of one response.
#[derive(Debug, Clone)]
pub struct Buckets {
    pub step: Step,
    /// Where they start; empty where they start as UTC's do, which PostgreSQL can compute.
    pub starts: Vec<DateTime<Utc>>,
}

impl Step {
    /// Its length, where the zone's offset does not change.
    pub fn width(self) -> TimeDelta {
        match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::Hour => TimeDelta::hours(1),
            Self::Days(days) => TimeDelta::days(days.into()),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Minute => formatter.write_str("minute"),
            Self::Hour => formatter.write_str("hour"),
            Self::Days(1) => formatter.write_str("day"),
            Self::Days(days) => write!(formatter, "{days} days"),
        }
    }
}

impl Aggregation {
    /// The step for the data in `range`.
    pub fn step(self, range: TimeRange, max_points: u32) -> Step {
        match self {
            Self::Minute => Step::Minute,
            Self::Hour => Step::Hour,
            Self::Day => Step::Days(1),
            Self::Auto => finest(range, max_points),
        }
    }
}

/// The finest step with at most `max_points` buckets. Days are counted with a margin: at either end, and where the
/// zone's offset changes, there may be a few more of them than the range's length says.
fn finest(range: TimeRange, max_points: u32) -> Step {
    let fits = |step: &Step| most_buckets(*step, range) <= i64::from(max_points);
    let days = (range.to - range.from).num_days().saturating_add(3);
    let several = days.div_euclid(i64::from(max_points.max(3)).saturating_sub(2)).saturating_add(1);
    let several = Step::Days(u32::try_from(several).unwrap_or(u32::MAX));
    [Step::Minute, Step::Hour, Step::Days(1)].into_iter().find(fits).unwrap_or(several)
}

/// An upper bound of the buckets that `range` has in any zone.
fn most_buckets(step: Step, range: TimeRange) -> i64 {
    let width = step.width().num_seconds().max(1);
    let length = range.to - range.from;
    // Offsets change twice a year at most, and each change cuts one bucket in two.
    let changes = if let Step::Days(_) = step { 0 } else { length.num_days().div_euclid(180) };
    length.num_seconds().div_euclid(width).saturating_add(2).saturating_add(changes)
}

impl Buckets {
    /// The buckets from the one that holds the start of `range` to the one that holds its end; `most` of them.
    pub fn new(step: Step, zone: Tz, range: TimeRange, most: u32) -> Result<Self, TooManyBuckets> {
        let buckets = most_buckets(step, range);
        if buckets > i64::from(most) {
            return Err(TooManyBuckets { buckets, most });
        }
        let starts = match step {
            _ if matches!(zone, Tz::UTC | Tz::Etc__UTC) => Vec::new(),
            Step::Minute | Step::Hour => starts(zone, step.width(), range),
            Step::Days(days) => day_starts(zone, days, range),
        };
        Ok(Self { step, starts })
    }

    /// UTC's buckets.
    pub fn utc(step: Step) -> Self {
        Self { step, starts: Vec::new() }
    }

    /// Whether every bucket starts on a full `width` of UTC.
    pub fn is_aligned(&self, width: TimeDelta) -> bool {
        self.step.width() >= width && self.unaligned(width).next().is_none()
    }

    /// Whether the buckets are exactly UTC's of `width`.
    pub fn is_utc(&self, width: TimeDelta) -> bool {
        self.starts.is_empty() && self.step.width() == width
    }

    /// The starts that are not on a full `width` of UTC.
    pub fn unaligned(&self, width: TimeDelta) -> impl Iterator<Item = DateTime<Utc>> {
        self.starts.iter().copied().filter(move |start| floor(*start, width) != *start)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;

    use super::{Aggregation, Buckets, MAX_BUCKETS, Step};
    use crate::http::time_range::TimeRange;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn auto_takes_the_finest_step_that_keeps_the_response_small_enough() {
        let from = at("2026-01-01T00:10:00Z");
        let step = |length, max_points| Aggregation::Auto.step(TimeRange { from, to: from + length }, max_points);
        assert_eq!(step(TimeDelta::hours(12), 1_000), Step::Minute);
        assert_eq!(step(TimeDelta::days(1), 1_000), Step::Hour);
        assert_eq!(step(TimeDelta::days(30), 1_000), Step::Hour);
        assert_eq!(step(TimeDelta::days(365), 1_000), Step::Days(1));
        let zones = [Tz::UTC, Tz::Asia__Kolkata, Tz::Australia__Lord_Howe, Tz::America__New_York];
        for (length, max_points) in (1..60).map(|n| (TimeDelta::hours(7 * n * n), 3 + u32::try_from(n).unwrap())) {
            for zone in zones {
                let to = from + length;
                let buckets =
                    Buckets::new(step(length, max_points), zone, TimeRange { from, to }, MAX_BUCKETS).unwrap();
                let count = if buckets.starts.is_empty() {
                    (super::floor(to, buckets.step.width()) - super::floor(from, buckets.step.width())).num_seconds()
                        / buckets.step.width().num_seconds()
                        + 1
                } else {
                    i64::try_from(buckets.starts.len()).unwrap()
                };
                assert!(count <= i64::from(max_points), "{length} {max_points} {zone}: {count}");
            }
        }
    }

    #[test]
    fn a_response_has_its_limits() {
        let from = at("2026-01-01T00:00:00Z");
        let minutes_of = |days| {
            Buckets::new(Step::Minute, Tz::UTC, TimeRange { from, to: from + TimeDelta::days(days) }, MAX_BUCKETS)
        };
        assert!(minutes_of(69).is_ok());
        assert!(minutes_of(70).is_err());
    }

    #[test]
    fn what_lies_off_the_full_hour_is_known() {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"));
        let buckets = |zone, step| Buckets::new(step, zone, TimeRange { from, to }, MAX_BUCKETS).unwrap();
        let hour = TimeDelta::hours(1);
        assert!(buckets(Tz::Europe__Berlin, Step::Hour).is_aligned(hour));
        assert!(!buckets(Tz::Asia__Kolkata, Step::Hour).is_aligned(hour));
        assert!(buckets(Tz::Asia__Kolkata, Step::Hour).is_aligned(TimeDelta::minutes(1)));
        assert_eq!(buckets(Tz::Asia__Kolkata, Step::Days(1)).unaligned(hour).count(), 3);
        assert!(!buckets(Tz::UTC, Step::Minute).is_aligned(hour));
    }
}
