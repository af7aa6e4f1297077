//! What is computed of the rows in an interval: of which metrics, and which statistic.

use pulso_shared::rollup::Source;
use pulso_shared::telemetry::MetricName;
use utoipa::ToSchema;

/// A statistic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case", default = "avg")]
pub enum Stat {
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

impl Stat {
    /// The statistic that a query calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "avg" => Some(Self::Avg),
            "min" => Some(Self::Min),
            "max" => Some(Self::Max),
            "count" => Some(Self::Count),
            "p95" => Some(Self::P95),
            _ => None,
        }
    }
}

/// A number of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    /// In a column of its own.
    Column(&'static str),
    /// One of a reading's further numbers.
    Further(String),
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
    /// No reading can have a number of that name, or it cannot be told.
    #[error("{0} is not the name of a metric")]
    BadName(String),
}

impl Metric {
    /// The metric of `source` with that name.
    ///
    /// # Errors
    /// When there can be none.
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
                .map(|name| Self::Further(name.into()))
                .map_err(|_| MetricError::BadName(name.to_owned())),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Column(name) => name,
            Self::Further(name) => name,
        }
    }
}

/// What is computed.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Of which rows.
    pub source: Source,
    /// Of which of their numbers.
    pub metrics: Vec<Metric>,
    /// What.
    pub stat: Stat,
}

/// Further numbers may be as large as a double can be, and the sum of two would not be one. They are summed up as
/// this share of themselves, a power of two, so that no digit is lost; what is too small to be shared is nothing.
const SHARE: f64 = 1.0 / 1_099_511_627_776.0;
const SMALLEST_SHARED: f64 = 1e-280;

impl Measure {
    /// The names of the further numbers: `$2` of the queries.
    #[must_use]
    pub fn further_names(&self) -> Vec<&str> {
        let further = self.metrics.iter().filter(|metric| matches!(metric, Metric::Further(_)));
        further.map(Metric::name).collect()
    }

    /// Whether rollups can answer it.
    #[must_use]
    pub fn is_rolled_up(&self) -> bool {
        self.stat != Stat::P95 && self.metrics.iter().all(|metric| matches!(metric, Metric::Column(_)))
    }

    /// The partial results of raw rows `r`, in SQL.
    #[must_use]
    pub fn of_raw(&self) -> String {
        let mut further = 0_u8;
        let parts = self.metrics.iter().map(|metric| {
            let (number, summand) = match metric {
                Metric::Column(column) => {
                    let number = self.source.number(column);
                    (number.clone(), number)
                }
                Metric::Further(_) => {
                    further = further.saturating_add(1);
                    let number = format!("(r.metrics ->> ($2::text[])[{further}])::double precision");
                    let shared =
                        format!("CASE WHEN abs({number}) < {SMALLEST_SHARED:e} THEN 0 ELSE {number} * {SHARE:e} END");
                    (number, shared)
                }
            };
            match self.stat {
                Stat::Avg => format!("sum({summand}), count({number})"),
                Stat::Min => format!("min({number})"),
                Stat::Max => format!("max({number})"),
                Stat::Count => format!("count({number})"),
                Stat::P95 => format!("percentile_cont(0.95) WITHIN GROUP (ORDER BY {number})"),
            }
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The same partial results of rollups `r`, in SQL: those of one, or of several together.
    #[must_use]
    pub fn of_rollups(&self, several: bool) -> String {
        let together = |aggregate: &str, column: String| {
            if several { format!("{aggregate}(r.{column})") } else { format!("r.{column}") }
        };
        let parts = self.metrics.iter().map(|metric| {
            let name = metric.name();
            let sum = || together("sum", format!("{name}_sum"));
            let count = || together("sum", format!("{name}_count"));
            match self.stat {
                Stat::Avg => format!("{}, {}", sum(), count()),
                Stat::Min => together("min", format!("{name}_min")),
                Stat::Max => together("max", format!("{name}_max")),
                Stat::Count | Stat::P95 => count(),
            }
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Adds the partial results `other` to `sum`.
    pub fn combine(&self, sum: &mut [Option<f64>], other: &[Option<f64>]) {
        for (sum, other) in sum.iter_mut().zip(other) {
            *sum = match (*sum, *other) {
                (Some(one), Some(two)) => Some(match self.stat {
                    Stat::Avg | Stat::Count | Stat::P95 => one + two,
                    Stat::Min => one.min(two),
                    Stat::Max => one.max(two),
                }),
                (one, two) => one.or(two),
            };
        }
    }

    /// The results, one a metric; `None` where there are no numbers, and where the result is none.
    #[must_use]
    pub fn finish(&self, partial: &[Option<f64>]) -> Vec<Option<f64>> {
        let results: Vec<_> = match self.stat {
            Stat::Avg => partial.chunks(2).zip(&self.metrics).map(|(pair, metric)| mean(pair, metric)).collect(),
            Stat::Count => partial.iter().map(|count| count.filter(|count| *count > 0.0)).collect(),
            Stat::Min | Stat::Max | Stat::P95 => partial.to_vec(),
        };
        results.into_iter().map(|result| result.filter(|number| number.is_finite())).collect()
    }
}

fn mean(sum_and_count: &[Option<f64>], metric: &Metric) -> Option<f64> {
    let [Some(sum), Some(count)] = sum_and_count else { return None };
    let mean = (*count > 0.0).then(|| sum / count)?;
    Some(if let Metric::Further(_) = metric { mean / SHARE } else { mean })
}

#[cfg(test)]
mod tests {
    use pulso_shared::rollup::Source;

    use super::{Measure, Metric, Stat};

    fn measure(stat: Stat) -> Measure {
        Measure { source: Source::Readings, metrics: vec![Metric::Column("voltage"), Metric::Column("current")], stat }
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let avg = measure(Stat::Avg);
        let mut partial = vec![Some(3.0), Some(2.0), None, Some(0.0)];
        avg.combine(&mut partial, &[Some(6.0), Some(1.0), Some(4.0), Some(2.0)]);
        assert_eq!(avg.finish(&partial), [Some(3.0), Some(2.0)]);
        let mut lowest = vec![Some(-1.0), None];
        measure(Stat::Min).combine(&mut lowest, &[Some(2.0), Some(0.0)]);
        assert_eq!(lowest, [Some(-1.0), Some(0.0)]);
        assert_eq!(measure(Stat::Count).finish(&[Some(0.0), Some(7.0)]), [None, Some(7.0)]);
    }

    #[test]
    fn heartbeats_have_their_columns_and_readings_any_further_name() {
        assert_eq!(Metric::named(Source::Heartbeats, "latency"), Ok(Metric::Column("latency")));
        let unknown = Metric::named(Source::Heartbeats, "humidity").unwrap_err();
        assert!(unknown.to_string().starts_with("humidity is none of cpu_usage, "));
        assert_eq!(Metric::named(Source::Readings, "pm2.5"), Ok(Metric::Further("pm2.5".into())));
        for bad in ["", "a b", "a'b", "timestamp"] {
            assert!(Metric::named(Source::Readings, bad).is_err(), "{bad}");
        }
    }
}
