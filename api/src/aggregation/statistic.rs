//! Statistics of the metrics of the rows in a bucket.

use pulso_shared::rollup::Source;
use pulso_shared::telemetry::MetricName;
use serde::Deserialize;
use utoipa::ToSchema;

use super::buckets::MAX_BUCKETS;

/// A statistic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "avg")]
pub enum Statistic {
    /// The mean.
    #[default]
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many there are.
    Count,
    /// 95 % are no larger; between two neighbours, interpolated.
    P95,
}

/// A number of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    /// In a column of its own.
    Column(&'static str),
    /// One of a reading's custom metrics, in their `jsonb` column.
    Custom(String),
}

/// Why there is no such metric; the text is what the client reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// A heartbeat has its columns and nothing else.
    #[error("{name} is none of {}", .known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: &'static [&'static str],
    },
    /// No reading can have a metric of that name, or a point has another field of that name.
    #[error("{0} is not the name of a metric")]
    BadName(String),
}

impl Metric {
    /// The metric of `source` with that name.
    pub fn named(source: Source, name: &str) -> Result<Self, MetricError> {
        if let Some(column) = source.metrics().iter().find(|column| **column == name) {
            return Ok(Self::Column(column));
        }
        match source {
            Source::Heartbeats => Err(MetricError::Unknown { name: name.to_owned(), known: source.metrics() }),
            // A point has its timestamp and its server under these names.
            Source::Readings if matches!(name, "timestamp" | "server_ulid") => {
                Err(MetricError::BadName(name.to_owned()))
            }
            Source::Readings => MetricName::try_from(name.to_owned())
                .map(|name| Self::Custom(name.into()))
                .map_err(|_| MetricError::BadName(name.to_owned())),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Column(name) => name,
            Self::Custom(name) => name,
        }
    }
}

/// One statistic of some metrics.
#[derive(Debug, Clone)]
pub struct Measures {
    pub source: Source,
    pub metrics: Vec<Metric>,
    pub statistic: Statistic,
}

/// An answer of points is whole, and in memory until it is read: it has at most so many bytes, by an upper estimate of
/// a point's timestamp and braces, and of a number with its quotes.
const MAX_RESPONSE_BYTES: usize = 24 * 1024 * 1024;
const POINT_BYTES: usize = 40;
const NUMBER_BYTES: usize = 24;

impl Measures {
    pub fn custom_names(&self) -> Vec<&str> {
        let custom = self.metrics.iter().filter(|metric| matches!(metric, Metric::Custom(_)));
        custom.map(Metric::name).collect()
    }

    /// How many points an answer may have: fewer where each is long.
    pub fn max_points(&self) -> u32 {
        let lengths = self.metrics.iter().map(|metric| metric.name().len().saturating_add(NUMBER_BYTES));
        let point = lengths.fold(POINT_BYTES, usize::saturating_add);
        let most = MAX_RESPONSE_BYTES.checked_div(point).unwrap_or_default();
        u32::try_from(most).unwrap_or(u32::MAX).min(MAX_BUCKETS)
    }

    /// Whether rollups hold these statistics.
    pub fn is_rolled_up(&self) -> bool {
        self.statistic != Statistic::P95 && self.metrics.iter().all(|metric| matches!(metric, Metric::Column(_)))
    }
}

#[cfg(test)]
mod tests {
    use pulso_shared::rollup::Source;

    use super::{Measures, Metric, Statistic};

    #[test]
    fn long_points_are_fewer() {
        let measures = |metrics| Measures { source: Source::Readings, metrics, statistic: Statistic::Avg };
        let columns = Source::Heartbeats.metrics().iter().copied().map(Metric::Column).collect();
        assert_eq!(measures(columns).max_points(), 100_000);
        let custom = (0..36).map(|_| Metric::Custom("x".repeat(64))).collect();
        assert!((7_000..8_000).contains(&measures(custom).max_points()));
    }

    #[test]
    fn heartbeats_have_their_columns_and_readings_any_custom_name() {
        assert_eq!(Metric::named(Source::Heartbeats, "latency"), Ok(Metric::Column("latency")));
        let unknown = Metric::named(Source::Heartbeats, "humidity").unwrap_err();
        assert!(unknown.to_string().starts_with("humidity is none of cpu_usage, "));
        assert_eq!(Metric::named(Source::Readings, "pm2.5"), Ok(Metric::Custom("pm2.5".into())));
        for bad in ["", "a b", "a'b", "timestamp"] {
            assert!(Metric::named(Source::Readings, bad).is_err(), "{bad}");
        }
    }
}
