//! What of a history is asked for.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use pulso_shared::rollup::Source;
use pulso_shared::telemetry::MAX_METRICS;
use serde::Deserialize;
use utoipa::IntoParams;

use super::grid::{Aggregation, MOST_POINTS};
use super::measure::{Measure, Metric, Stat};
use super::points::PointsQuery;
use super::stretch::{EARLIEST, LATEST, Order, Stretch};
use crate::http::error::FieldError;
use crate::http::timestamp;

/// Points that `auto` keeps to where the client does not say.
const DEFAULT_MAX_POINTS: u32 = 1_000;
/// Fewer would not be an answer: both ends of the time cut an interval.
const FEWEST_MAX_POINTS: u32 = 3;

/// Metrics of one answer: all that one reading can have.
const MOST_METRICS: usize = MAX_METRICS + 4;

/// Which rows are wanted, in which order; or what of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Oldest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T00:00:00Z")]
    start: Option<String>,
    /// Newest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T23:59:59Z")]
    end: Option<String>,
    /// `desc`: the newest first, which is how rows come. `asc`: the oldest first, which is how points come.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
    /// Only these numbers, separated by commas. Of readings also the names of further ones, such as `pm2.5`.
    #[param(example = "temperature")]
    metrics: Option<String>,
    /// One point an interval instead of the rows. `auto` takes the finest of minute, hour and day that keeps the answer
    /// under `max_points`, or several days.
    #[param(value_type = Option<Aggregation>, inline)]
    aggregation: Option<String>,
    /// What a point tells of the values in its interval.
    #[param(value_type = Option<Stat>, inline)]
    stat: Option<String>,
    /// Most points that `auto` takes.
    #[param(value_type = Option<u32>, minimum = 3, maximum = 100_000, default = 1_000)]
    max_points: Option<String>,
    /// The time zone in which minutes, hours and days begin: an IANA name.
    #[param(default = "UTC", example = "America/Sao_Paulo")]
    tz: Option<String>,
}

/// What is wanted of a history.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The rows.
    Raw(RawQuery),
    /// One point an interval.
    Points(PointsQuery),
}

/// Which rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawQuery {
    /// Of which time.
    pub stretch: Stretch,
    /// Which of their numbers; `None`: all.
    pub metrics: Option<Vec<Metric>>,
}

impl HistoryQuery {
    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self, source: Source) -> Result<Wanted, Vec<FieldError>> {
        let mut faults = Vec::new();
        let (start, end) = parse_range(&mut faults, ("start", self.start.as_deref()), ("end", self.end.as_deref()));
        let order = named(&mut faults, "order", self.order.as_deref(), "must be asc or desc", Order::named);
        let metrics = self.metrics.as_deref().map(|names| parse_metrics(&mut faults, source, names));
        let expected = "must be minute, hour, day or auto";
        let aggregation = named(&mut faults, "aggregation", self.aggregation.as_deref(), expected, Aggregation::named);
        let expected = "must be avg, min, max, count or p95";
        let stat = named(&mut faults, "stat", self.stat.as_deref(), expected, Stat::named).unwrap_or_default();
        let expected = format!("must be between {FEWEST_MAX_POINTS} and {MOST_POINTS}");
        let max_points = named(&mut faults, "max_points", self.max_points.as_deref(), &expected, parse_max_points);
        let expected = "must be the IANA name of a time zone, such as Europe/Berlin";
        let zone = named(&mut faults, "tz", self.tz.as_deref(), expected, |name| name.parse::<Tz>().ok());
        if !faults.is_empty() {
            return Err(faults);
        }
        let order_of = |usual| order.unwrap_or(usual);
        let stretch = |usual| Stretch { from: start, to: end, order: order_of(usual) };
        let Some(aggregation) = aggregation else {
            return Ok(Wanted::Raw(RawQuery { stretch: stretch(Order::Desc), metrics }));
        };
        let all = || source.metrics().iter().map(|column| Metric::Column(column)).collect();
        Ok(Wanted::Points(PointsQuery {
            stretch: stretch(Order::Asc),
            measure: Measure { source, metrics: metrics.unwrap_or_else(all), stat },
            aggregation,
            max_points: max_points.unwrap_or(DEFAULT_MAX_POINTS),
            zone: zone.unwrap_or(Tz::UTC),
        }))
    }
}

/// A parameter that is one of several texts; `None` where it is not given, or is none of them, which is a fault.
pub fn named<T>(
    faults: &mut Vec<FieldError>,
    name: &str,
    text: Option<&str>,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let parsed = parse(text?);
    if parsed.is_none() {
        faults.push(FieldError::new(name, "invalid", expected));
    }
    parsed
}

/// The time between two parameters, each with its name; everything where they are not given.
pub fn parse_range(
    faults: &mut Vec<FieldError>,
    (start_name, start): (&str, Option<&str>),
    (end_name, end): (&str, Option<&str>),
) -> (DateTime<Utc>, DateTime<Utc>) {
    let expected = "must be an RFC 3339 date and time";
    let start = named(faults, start_name, start, expected, parse_instant);
    let end = named(faults, end_name, end, expected, parse_instant);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        faults.push(FieldError::new(start_name, "after_end", "Start time cannot be after end time"));
    }
    (start.unwrap_or(EARLIEST), end.unwrap_or(LATEST))
}

fn parse_max_points(text: &str) -> Option<u32> {
    text.parse().ok().filter(|points| (FEWEST_MAX_POINTS..=MOST_POINTS).contains(points))
}

/// The metrics of a list, each once.
fn parse_metrics(faults: &mut Vec<FieldError>, source: Source, names: &str) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for name in names.split(',').map(str::trim) {
        match Metric::named(source, name) {
            Ok(metric) if metrics.contains(&metric) => {}
            Ok(metric) => metrics.push(metric),
            Err(error) => faults.push(FieldError::new("metrics", "unknown", error)),
        }
    }
    if metrics.len() > MOST_METRICS {
        faults.push(FieldError::new("metrics", "too_many_items", format!("may name at most {MOST_METRICS}")));
    }
    metrics
}

/// An instant in a query, if it is one that can be stored.
#[must_use]
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = timestamp::parse(text).or_else(|_| timestamp::parse(&plus_restored(text))).ok()?;
    Some(instant).filter(|instant| (EARLIEST..=LATEST).contains(instant))
}

/// In a query a `+` that was not escaped arrives as a space: `12:00:00+02:00` as `12:00:00 02:00`.
fn plus_restored(text: &str) -> String {
    text.rsplit_once(' ').map_or_else(String::new, |(instant, offset)| format!("{instant}+{offset}"))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use pulso_shared::rollup::Source;

    use super::{EARLIEST, HistoryQuery, LATEST, Metric, Order, RawQuery, Stat, Stretch, Wanted, parse_instant};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn query(start: &str, end: &str, order: &str) -> HistoryQuery {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        HistoryQuery { start: given(start), end: given(end), order: given(order), ..HistoryQuery::default() }
    }

    #[test]
    fn an_instant_is_read_with_any_offset_and_as_utc_without_one() {
        let noon = at("2026-11-21T12:00:00Z");
        for text in [
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00",
            "2026-11-21 12:00:00",
            "2026-11-21T09:00:00-03:00",
            "2026-11-21T14:00:00+02:00",
            "2026-11-21T14:00:00 02:00",
            "2026-11-21 14:00:00 02:00",
            "2026-11-21T12:00:00.0000009Z",
        ] {
            assert_eq!(parse_instant(text), Some(noon), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", " ", "noon", "2026-11-21", "2026-13-01T00:00:00Z", "+262000-01-01T00:00:00", "1763726400"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_asked_for_is_everything_newest_first() {
        let everything = Stretch { from: EARLIEST, to: LATEST, order: Order::Desc };
        let Wanted::Raw(raw) = query("", "", "").parse(Source::Readings).unwrap() else { panic!("rows") };
        assert_eq!(raw, RawQuery { stretch: everything, metrics: None });
    }

    #[test]
    fn a_range_may_be_one_instant_but_not_run_backwards() {
        let instant = "2026-11-21T12:00:00Z";
        assert!(query(instant, instant, "asc").parse(Source::Heartbeats).is_ok());
        let faults = query("2026-11-21T12:00:01Z", instant, "").parse(Source::Heartbeats).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].detail, "Start time cannot be after end time");
    }

    #[test]
    fn every_fault_is_named() {
        let text = |text: &str| Some(text.to_owned());
        let bad = HistoryQuery {
            metrics: text("cpu_usage,humidity"),
            aggregation: text("week"),
            stat: text("median"),
            max_points: text("0"),
            tz: text("Mars/Olympus"),
            ..query("yesterday", "tomorrow", "newest")
        };
        let faults = bad.parse(Source::Heartbeats).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/start", "/end", "/order", "/metrics", "/aggregation", "/stat", "/max_points", "/tz"]);
    }

    #[test]
    fn points_come_oldest_first_and_of_all_metrics_unless_told_otherwise() {
        let text = |text: &str| Some(text.to_owned());
        let auto = HistoryQuery { aggregation: text("auto"), ..HistoryQuery::default() };
        let Wanted::Points(points) = auto.parse(Source::Readings).unwrap() else { panic!("points") };
        assert_eq!((points.stretch.order, points.max_points, points.measure.stat), (Order::Asc, 1_000, Stat::Avg));
        assert_eq!(points.measure.metrics.len(), 4);
        let some = HistoryQuery { metrics: text("pm2.5, voltage,pm2.5"), stat: text("p95"), ..auto };
        let Wanted::Points(points) = some.parse(Source::Readings).unwrap() else { panic!("points") };
        assert_eq!(points.measure.metrics, [Metric::Further("pm2.5".into()), Metric::Column("voltage")]);
    }
}
