//! The intervals of an aggregated answer.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use pulso_shared::rollup::bucket_of;
use utoipa::ToSchema;

use super::zone::{day_starts, floor, starts};

/// Most intervals of one answer, so that it fits into memory.
pub const MOST_POINTS: u32 = 100_000;
/// `$3` of the queries: [`Grid::starts`].
const STARTS: &str = "$3::timestamptz[]";

/// How long an interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// Days.
    Days(u32),
}

/// Which step is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
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

/// More intervals than an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("would be about {0} points, of at most {MOST_POINTS}: ask for a shorter time or a longer step")]
pub struct TooManyPoints(i64);

/// The intervals.
#[derive(Debug, Clone)]
pub struct Grid {
    /// How long they are.
    pub step: Step,
    /// Where they start; empty where they do as UTC's do.
    pub starts: Vec<DateTime<Utc>>,
}

impl Step {
    /// Its length, where the clocks are not turned.
    #[must_use]
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
    /// The aggregation that a query calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "minute" => Some(Self::Minute),
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// The step it takes for the time from `from` to `to`.
    #[must_use]
    pub fn step(self, from: DateTime<Utc>, to: DateTime<Utc>, max_points: u32) -> Step {
        match self {
            Self::Minute => Step::Minute,
            Self::Hour => Step::Hour,
            Self::Day => Step::Days(1),
            Self::Auto => finest(from, to, max_points),
        }
    }
}

/// The finest step with at most `max_points` intervals. Some are held back: where the clocks are turned, and at either
/// end, there may be a few more than the time's length says.
fn finest(from: DateTime<Utc>, to: DateTime<Utc>, max_points: u32) -> Step {
    let fits = |step: &Step| most_points(*step, from, to) <= i64::from(max_points);
    let days = (to - from).num_days().saturating_add(3);
    let several = days.div_euclid(i64::from(max_points.max(3)).saturating_sub(2)).saturating_add(1);
    let several = Step::Days(u32::try_from(several).unwrap_or(u32::MAX));
    [Step::Minute, Step::Hour, Step::Days(1)].into_iter().find(fits).unwrap_or(several)
}

/// No fewer points than the time from `from` to `to` can have in any zone.
fn most_points(step: Step, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    let width = step.width().num_seconds().max(1);
    // Clocks are turned twice a year at most, and each time cuts one interval in two.
    let turns = if let Step::Days(_) = step { 0 } else { (to - from).num_days().div_euclid(180) };
    (to - from).num_seconds().div_euclid(width).saturating_add(2).saturating_add(turns)
}

impl Grid {
    /// The intervals from the one in which `from` lies to the one in which `to` lies.
    ///
    /// # Errors
    /// Where they are too many.
    pub fn new(step: Step, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, TooManyPoints> {
        let points = most_points(step, from, to);
        if points > i64::from(MOST_POINTS) {
            return Err(TooManyPoints(points));
        }
        let starts = match step {
            _ if matches!(zone, Tz::UTC | Tz::Etc__UTC) => Vec::new(),
            Step::Minute | Step::Hour => starts(zone, step.width(), from, to),
            Step::Days(days) => day_starts(zone, days, from, to),
        };
        Ok(Self { step, starts })
    }

    /// UTC's intervals.
    #[must_use]
    pub fn utc(step: Step) -> Self {
        Self { step, starts: Vec::new() }
    }

    /// The start of the interval in which the column `instant` lies, in SQL.
    #[must_use]
    pub fn bucket_of(&self, instant: &str) -> String {
        if self.starts.is_empty() {
            bucket_of(&format!("{} seconds", self.step.width().num_seconds()), instant)
        } else {
            format!("({STARTS})[width_bucket({instant}, {STARTS})]")
        }
    }

    /// Whether every interval starts on a full `width` of UTC.
    #[must_use]
    pub fn is_aligned(&self, width: TimeDelta) -> bool {
        self.step.width() >= width && self.unaligned(width).next().is_none()
    }

    /// Whether the intervals are exactly UTC's of `width`.
    #[must_use]
    pub fn is_utc(&self, width: TimeDelta) -> bool {
        self.starts.is_empty() && self.step.width() == width
    }

    /// The intervals' starts that are not on a full `width` of UTC.
    pub fn unaligned(&self, width: TimeDelta) -> impl Iterator<Item = DateTime<Utc>> {
        self.starts.iter().copied().filter(move |start| floor(*start, width) != *start)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;

    use super::{Aggregation, Grid, Step};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn auto_takes_the_finest_step_that_keeps_the_answer_small_enough() {
        let from = at("2026-01-01T00:10:00Z");
        let step = |length, max_points| Aggregation::Auto.step(from, from + length, max_points);
        assert_eq!(step(TimeDelta::hours(12), 1_000), Step::Minute);
        assert_eq!(step(TimeDelta::days(1), 1_000), Step::Hour);
        assert_eq!(step(TimeDelta::days(30), 1_000), Step::Hour);
        assert_eq!(step(TimeDelta::days(365), 1_000), Step::Days(1));
        let zones = [Tz::UTC, Tz::Asia__Kolkata, Tz::Australia__Lord_Howe, Tz::America__New_York];
        for (length, max_points) in (1..60).map(|n| (TimeDelta::hours(7 * n * n), 3 + u32::try_from(n).unwrap())) {
            for zone in zones {
                let to = from + length;
                let grid = Grid::new(step(length, max_points), zone, from, to).unwrap();
                let points = if grid.starts.is_empty() {
                    (super::floor(to, grid.step.width()) - super::floor(from, grid.step.width())).num_seconds()
                        / grid.step.width().num_seconds()
                        + 1
                } else {
                    i64::try_from(grid.starts.len()).unwrap()
                };
                assert!(points <= i64::from(max_points), "{length} {max_points} {zone}: {points}");
            }
        }
    }

    #[test]
    fn an_answer_has_its_limits() {
        let from = at("2026-01-01T00:00:00Z");
        assert!(Grid::new(Step::Minute, Tz::UTC, from, from + TimeDelta::days(69)).is_ok());
        assert!(Grid::new(Step::Minute, Tz::UTC, from, from + TimeDelta::days(70)).is_err());
    }

    #[test]
    fn what_lies_off_the_full_hour_is_known() {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"));
        let grid = |zone, step| Grid::new(step, zone, from, to).unwrap();
        let hour = TimeDelta::hours(1);
        assert!(grid(Tz::Europe__Berlin, Step::Hour).is_aligned(hour));
        assert!(!grid(Tz::Asia__Kolkata, Step::Hour).is_aligned(hour));
        assert!(grid(Tz::Asia__Kolkata, Step::Hour).is_aligned(TimeDelta::minutes(1)));
        assert_eq!(grid(Tz::Asia__Kolkata, Step::Days(1)).unaligned(hour).count(), 3);
        assert!(!grid(Tz::UTC, Step::Minute).is_aligned(hour));
    }
}
