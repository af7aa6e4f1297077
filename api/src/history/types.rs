//! What is asked for of a device's history.

use chrono_tz::Tz;
use pulso_shared::rollup::Source;
use pulso_shared::telemetry::MAX_METRICS;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::aggregation::{Aggregation, MAX_BUCKETS, Measures, Metric, Statistic};
use crate::http::error::{FieldError, MAX_FAULTS};
use crate::http::extract::query::{parse, parse_range, parse_variant, parse_with};
use crate::http::time_range::TimeRange;

/// The default of `max_points`.
const DEFAULT_MAX_POINTS: u32 = 1_000;
/// Fewer make no sense: either end of the range cuts a bucket.
const MIN_MAX_POINTS: u32 = 3;

/// Metrics of one response: all that one reading can have.
const MAX_NAMED_METRICS: usize = MAX_METRICS + 4;

/// The order of rows in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "desc")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

/// Which rows are wanted, in which order; or what of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Oldest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2026-11-21T00:00:00Z")]
    start: Option<String>,
    /// Newest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>, example = "2026-11-21T23:59:59Z")]
    end: Option<String>,
    /// `desc`: the newest first, which is how rows come. `asc`: the oldest first, which is how points come.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
    /// Only these numbers, separated by commas. Of readings also the names of further ones, such as `pm2.5`.
    #[param(value_type = Option<String>, format = "metrics", example = "temperature")]
    metrics: Option<String>,
    /// One point an interval instead of the rows. `auto` takes the finest of minute, hour and day that keeps the answer
    /// under `max_points`, or several days.
    #[param(value_type = Option<Aggregation>, inline)]
    aggregation: Option<String>,
    /// What a point tells of the values in its interval.
    #[param(value_type = Option<Statistic>, inline)]
    stat: Option<String>,
    /// Most points that `auto` takes.
    #[param(value_type = Option<u32>, minimum = 3, maximum = 100_000, default = 1_000)]
    max_points: Option<String>,
    /// The time zone in which minutes, hours and days begin: an IANA name.
    #[param(value_type = Option<String>, format = "time-zone", default = "UTC", example = "America/Sao_Paulo")]
    tz: Option<String>,
}

/// A query that was checked.
#[derive(Debug, Clone)]
pub enum HistoryRequest {
    Rows(RowsQuery),
    Points(PointsQuery),
}

/// Rows as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsQuery {
    pub range: TimeRange,
    pub order: Order,
    /// Only these numbers; `None`: all.
    pub metrics: Option<Vec<Metric>>,
}

/// One point a bucket.
#[derive(Debug, Clone)]
pub struct PointsQuery {
    pub range: TimeRange,
    pub order: Order,
    pub measures: Measures,
    pub aggregation: Aggregation,
    /// How many of them `auto` takes at most.
    pub max_points: u32,
    /// The time zone in which buckets begin.
    pub zone: Tz,
}

impl HistoryQuery {
    pub fn parse(&self, source: Source) -> Result<HistoryRequest, Vec<FieldError>> {
        let mut faults = Vec::new();
        let (start, end) = parse_range(&mut faults, ("start", self.start.as_deref()), ("end", self.end.as_deref()));
        let order: Option<Order> = parse_variant(&mut faults, "order", self.order.as_deref(), "must be asc or desc");
        let metrics = self.metrics.as_deref().map(|names| parse_metrics(&mut faults, source, names));
        let rule = "must be minute, hour, day or auto";
        let aggregation = parse_variant(&mut faults, "aggregation", self.aggregation.as_deref(), rule);
        let rule = "must be avg, min, max, count or p95";
        let statistic = parse_variant(&mut faults, "stat", self.stat.as_deref(), rule).unwrap_or_default();
        let rule = format!("must be between {MIN_MAX_POINTS} and {MAX_BUCKETS}");
        let max_points = parse_with(&mut faults, "max_points", self.max_points.as_deref(), &rule, parse_max_points);
        let rule = "must be the IANA name of a time zone, such as Europe/Berlin";
        let zone = parse(&mut faults, "tz", self.tz.as_deref(), rule);
        if !faults.is_empty() {
            return Err(faults);
        }
        let range = TimeRange::between(start, end);
        let Some(aggregation) = aggregation else {
            return Ok(HistoryRequest::Rows(RowsQuery { range, order: order.unwrap_or(Order::Desc), metrics }));
        };
        let metrics = metrics.unwrap_or_else(|| source.metrics().iter().copied().map(Metric::Column).collect());
        Ok(HistoryRequest::Points(PointsQuery {
            range,
            order: order.unwrap_or(Order::Asc),
            measures: Measures { source, metrics, statistic },
            aggregation,
            max_points: max_points.unwrap_or(DEFAULT_MAX_POINTS),
            zone: zone.unwrap_or(Tz::UTC),
        }))
    }
}

fn parse_max_points(text: &str) -> Option<u32> {
    text.parse().ok().filter(|points| (MIN_MAX_POINTS..=MAX_BUCKETS).contains(points))
}

/// The metrics of a list, each once.
fn parse_metrics(faults: &mut Vec<FieldError>, source: Source, names: &str) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for name in names.split(',').map(str::trim) {
        // Each name is compared with those before it.
        if metrics.len() > MAX_NAMED_METRICS || faults.len() >= MAX_FAULTS {
            break;
        }
        match Metric::named(source, name) {
            Ok(metric) if metrics.contains(&metric) => {}
            Ok(metric) => metrics.push(metric),
            Err(error) => faults.push(FieldError::new("metrics", "unknown", error)),
        }
    }
    if metrics.len() > MAX_NAMED_METRICS {
        faults.push(FieldError::new("metrics", "too_many_items", format!("may name at most {MAX_NAMED_METRICS}")));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use pulso_shared::rollup::Source;

    use super::{HistoryQuery, HistoryRequest, Metric, Order, RowsQuery, Statistic, TimeRange};

    fn query(start: &str, end: &str, order: &str) -> HistoryQuery {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        HistoryQuery { start: given(start), end: given(end), order: given(order), ..HistoryQuery::default() }
    }

    #[test]
    fn nothing_asked_for_is_everything_newest_first() {
        let HistoryRequest::Rows(rows) = query("", "", "").parse(Source::Readings).unwrap() else { panic!("rows") };
        assert_eq!(rows, RowsQuery { range: TimeRange::ALL, order: Order::Desc, metrics: None });
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
        let HistoryRequest::Points(points) = auto.parse(Source::Readings).unwrap() else { panic!("points") };
        assert_eq!((points.order, points.max_points, points.measures.statistic), (Order::Asc, 1_000, Statistic::Avg));
        assert_eq!(points.measures.metrics.len(), 4);
        let some = HistoryQuery { metrics: text("pm2.5, voltage,pm2.5"), stat: text("p95"), ..auto };
        let HistoryRequest::Points(points) = some.parse(Source::Readings).unwrap() else { panic!("points") };
        assert_eq!(points.measures.metrics, [Metric::Custom("pm2.5".into()), Metric::Column("voltage")]);
    }
}
