//! Pieces of SQL that several queries share. `$1` is always [`Scope::id`].

use chrono::{DateTime, Utc};
use pulso_shared::rollup::bucket_of;

use super::super::buckets::Buckets;
use super::super::statistic::{Measures, Metric, Statistic};
use super::super::time_zone::ORIGIN;
use super::super::types::Scope;

/// The starts of a time zone's buckets, which [`bucket`] needs.
const STARTS: &str = "$3::timestamptz[]";

/// The condition that a row of `devices` is in the scope.
pub fn has_device(scope: Scope) -> &'static str {
    match scope {
        Scope::Device(_) => "devices.id = $1",
        Scope::Owner(_) => "devices.owner_id = $1",
    }
}

/// The condition that a row of `table` is in the scope.
pub fn has_row(scope: Scope, table: &str) -> String {
    match scope {
        Scope::Device(_) => format!("{table}.device_id = $1"),
        Scope::Owner(_) => format!("{table}.device_id IN (SELECT id FROM devices WHERE owner_id = $1)"),
    }
}

/// A condition whose ends are constants, so that only the partitions between them are planned and opened.
pub fn between(column: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    format!("{column} >= {} AND {column} < {}", instant(from), instant(to))
}

/// PostgreSQL has no year 0; nothing is that old.
pub fn instant(at: DateTime<Utc>) -> String {
    let at = at.max(ORIGIN);
    format!("'{}'::timestamptz", at.format("%Y-%m-%d %H:%M:%S%.6f+00"))
}

pub(super) fn instants(all: &[DateTime<Utc>]) -> String {
    format!("ARRAY[{}]", all.iter().map(|at| instant(*at)).collect::<Vec<_>>().join(", "))
}

/// The start of the bucket that holds the column `instant`; `$3` is [`Buckets::starts`].
pub(super) fn bucket(buckets: &Buckets, instant: &str) -> String {
    if buckets.starts.is_empty() {
        bucket_of(&format!("{} seconds", buckets.step.width().num_seconds()), instant)
    } else {
        format!("({STARTS})[width_bucket({instant}, {STARTS})]")
    }
}

/// Digits of a mean's quotient beyond those of its sum. The quotient is rounded to a double after that, which keeps order:
/// so a mean is never outside minimum and maximum.
const MEAN_DIGITS: u8 = 28;

/// What a raw row `r` contributes: of each metric `value_<n>`, and to a mean `weight_<n>`; `$2` is
/// [`Measures::custom_names`].
pub(super) fn raw_parts(measures: &Measures) -> String {
    let mut custom = 0_u8;
    let parts = measures.metrics.iter().enumerate().map(|(n, metric)| {
        let (number, summand) = match metric {
            Metric::Column(column) => (measures.source.number(column), measures.source.summand(column)),
            Metric::Custom(_) => {
                custom = custom.saturating_add(1);
                let digits = format!("(r.metrics ->> ($2::text[])[{custom}])");
                (format!("{digits}::double precision"), format!("{digits}::numeric"))
            }
        };
        match measures.statistic {
            Statistic::Avg => format!("{summand} AS value_{n}, ({number} IS NOT NULL)::integer AS weight_{n}"),
            Statistic::Count => format!("({number} IS NOT NULL)::integer AS value_{n}"),
            Statistic::Min | Statistic::Max | Statistic::P95 => format!("{number} AS value_{n}"),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The same of a rollup `r`.
pub(super) fn rollup_parts(measures: &Measures) -> String {
    let parts = measures.metrics.iter().enumerate().map(|(n, metric)| {
        let name = metric.name();
        match measures.statistic {
            Statistic::Avg => format!("r.{name}_sum AS value_{n}, r.{name}_count AS weight_{n}"),
            Statistic::Min => format!("r.{name}_min AS value_{n}"),
            Statistic::Max => format!("r.{name}_max AS value_{n}"),
            // No rollup holds a p95.
            Statistic::Count | Statistic::P95 => format!("r.{name}_count AS value_{n}"),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The statistic of each metric, of the contributions `part` to a point; NULL where there are none. `is_grouped`: of all
/// those of a group, else of the only one.
pub(super) fn values(measures: &Measures, is_grouped: bool) -> String {
    let of_all = |aggregate: &str, column: String| if is_grouped { format!("{aggregate}({column})") } else { column };
    let values = (0..measures.metrics.len()).map(|n| {
        let value = format!("part.value_{n}");
        match measures.statistic {
            Statistic::Avg => mean(&of_all("sum", value), &of_all("sum", format!("part.weight_{n}"))),
            Statistic::Count => format!("nullif({}, 0)", of_all("sum", value)),
            Statistic::Min => of_all("min", value),
            Statistic::Max => of_all("max", value),
            Statistic::P95 => format!("percentile_cont(0.95) WITHIN GROUP (ORDER BY {value})"),
        }
    });
    format!("ARRAY[{}]::double precision[] AS values", values.collect::<Vec<_>>().join(", "))
}

fn mean(sum: &str, count: &str) -> String {
    format!("(round({sum}, scale({sum}) + {MEAN_DIGITS}) / nullif({count}, 0))::double precision")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::instant;
    use crate::http::time_range::EARLIEST;

    #[test]
    fn an_instant_is_written_to_the_microsecond_and_never_before_the_year_1() {
        let late = DateTime::from_timestamp_micros(1_500_000).unwrap();
        assert_eq!(instant(late), "'1970-01-01 00:00:01.500000+00'::timestamptz");
        assert_eq!(instant(EARLIEST), "'0001-01-01 00:00:00.000000+00'::timestamptz");
    }
}
