//! Pieces of SQL that several queries share. `$1` is always [`Scope::id`].

use chrono::{DateTime, Utc};
use pulso_shared::rollup::bucket_of;

use super::super::buckets::Buckets;
use super::super::statistic::{Measures, Metric, SCALE, SMALLEST_SCALED, Statistic};
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

/// The partial aggregates of raw rows `r`; `$2` is [`Measures::custom_names`].
pub(super) fn raw_parts(measures: &Measures) -> String {
    let mut custom = 0_u8;
    let parts = measures.metrics.iter().map(|metric| {
        let (number, summand) = match metric {
            Metric::Column(column) => {
                let number = measures.source.number(column);
                (number.clone(), number)
            }
            Metric::Custom(_) => {
                custom = custom.saturating_add(1);
                let number = format!("(r.metrics ->> ($2::text[])[{custom}])::double precision");
                let scaled =
                    format!("CASE WHEN abs({number}) < {SMALLEST_SCALED:e} THEN 0 ELSE {number} * {SCALE:e} END");
                (number, scaled)
            }
        };
        match measures.statistic {
            Statistic::Avg => format!("sum({summand}), count({number})"),
            Statistic::Min => format!("min({number})"),
            Statistic::Max => format!("max({number})"),
            Statistic::Count => format!("count({number})"),
            Statistic::P95 => format!("percentile_cont(0.95) WITHIN GROUP (ORDER BY {number})"),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The same partial aggregates of rollups `r`: of each one, or of those of a group together.
pub(super) fn rollup_parts(measures: &Measures, is_grouped: bool) -> String {
    let part = |aggregate: &str, column: String| {
        if is_grouped { format!("{aggregate}(r.{column})") } else { format!("r.{column}") }
    };
    let parts = measures.metrics.iter().map(|metric| {
        let name = metric.name();
        let sum = || part("sum", format!("{name}_sum"));
        let count = || part("sum", format!("{name}_count"));
        match measures.statistic {
            Statistic::Avg => format!("{}, {}", sum(), count()),
            Statistic::Min => part("min", format!("{name}_min")),
            Statistic::Max => part("max", format!("{name}_max")),
            Statistic::Count | Statistic::P95 => count(),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{SCALE, SMALLEST_SCALED, instant};
    use crate::http::time_range::EARLIEST;

    #[test]
    fn an_instant_is_written_to_the_microsecond_and_never_before_the_year_1() {
        let late = DateTime::from_timestamp_micros(1_500_000).unwrap();
        assert_eq!(instant(late), "'1970-01-01 00:00:01.500000+00'::timestamptz");
        assert_eq!(instant(EARLIEST), "'0001-01-01 00:00:00.000000+00'::timestamptz");
    }

    #[test]
    fn scaling_loses_no_digit_of_the_smallest_number_that_is_scaled() {
        assert!((SMALLEST_SCALED * SCALE).is_normal());
        for number in [SMALLEST_SCALED * 1.123_456_789, 0.1 + 0.2, f64::MAX] {
            assert_eq!((number * SCALE / SCALE).to_bits(), number.to_bits());
        }
    }
}
