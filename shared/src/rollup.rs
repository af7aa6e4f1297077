//! The rolled-up tables and their columns. The worker computes rollups, the API reads them; `docs/reading.md` says how
//! they stay exact.

/// A table of raw rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Devices about themselves.
    Heartbeats,
    /// Devices about their surroundings.
    Readings,
}

impl Source {
    /// All tables of raw rows.
    pub const ALL: [Self; 2] = [Self::Heartbeats, Self::Readings];

    /// The raw table; also its name in `rollup_watermarks` and `dirty_buckets`.
    pub fn table(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeats",
            Self::Readings => "readings",
        }
    }

    /// The hourly rollups.
    pub fn hourly(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeats_hourly",
            Self::Readings => "readings_hourly",
        }
    }

    /// The minutely rollups, where there are any.
    pub fn minutely(self) -> Option<&'static str> {
        match self {
            Self::Heartbeats => None,
            Self::Readings => Some("readings_minutely"),
        }
    }

    /// The column of `device_state` that holds the newest row's timestamp.
    pub fn newest(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeat_ts",
            Self::Readings => "reading_ts",
        }
    }

    /// The numeric columns, in the order in which responses show them.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Heartbeats => &["cpu_usage", "ram_usage", "disk_free", "temperature", "latency", "connectivity"],
            Self::Readings => &["temperature", "humidity", "voltage", "current"],
        }
    }

    /// SQL for a metric of a raw row `r` as a number; `connectivity` counts as 1 when there is a connection.
    pub fn number(self, metric: &str) -> String {
        match metric {
            "connectivity" => "r.connectivity::integer::double precision".to_owned(),
            column => format!("r.{column}"),
        }
    }

    /// SQL for the same number as a summand: the decimal number that it is shown as, which is the shortest one that no other
    /// double is nearer to. Sums of decimals lose no digit, overflow nowhere, and are the same in whatever order they are
    /// made: so a mean is the same of raw rows, of rollups, and of both.
    pub fn summand(self, metric: &str) -> String {
        match metric {
            "connectivity" => "r.connectivity::integer::numeric".to_owned(),
            column => format!("r.{column}::text::numeric"),
        }
    }
}

/// SQL for the start of the bucket of `width` (such as `1 hour`) that contains `instant`. The origin is before all
/// data, because `date_bin` of PostgreSQL up to 15.5 is wrong for instants before its origin.
pub fn bucket_of(width: &str, instant: &str) -> String {
    format!("date_bin('{width}', {instant}, '0001-01-01 00:00:00+00')")
}

#[cfg(test)]
mod tests {
    use super::{Source, bucket_of};

    const DEVICES: &str = include_str!("../../migrations/2026-11-21-000002_create_devices/up.sql");
    const TELEMETRY: &str = include_str!("../../migrations/2026-11-21-000003_create_telemetry/up.sql");
    const ROLLUPS: &str = include_str!("../../migrations/2026-11-25-000020_create_rollups/up.sql");

    const EXACT_SUMS: &str = include_str!("../../migrations/2026-12-01-000120_make_rollup_sums_exact/up.sql");

    #[test]
    fn every_sum_is_a_decimal_number() {
        for source in Source::ALL {
            for table in [Some(source.hourly()), source.minutely()].into_iter().flatten() {
                let (_, from) = EXACT_SUMS.split_once(&format!("ALTER TABLE {table}\n")).unwrap();
                let (columns, _) = from.split_once(';').unwrap();
                let exact = |metric: &&&str| columns.contains(&format!("ALTER COLUMN {metric}_sum TYPE numeric"));
                assert_eq!(source.metrics().iter().filter(exact).count(), source.metrics().len(), "{table}");
            }
        }
    }

    /// The columns of `CREATE TABLE table (…)`.
    fn columns(sql: &str, table: &str) -> Vec<String> {
        let (_, from) = sql.split_once(&format!("CREATE TABLE {table} (")).unwrap();
        let (columns, _) = from.split_once("\n)").unwrap();
        columns.lines().filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn every_metric_has_its_raw_column_and_its_four_columns_in_the_hourly_rollups() {
        for source in Source::ALL {
            let (raw, hourly) = (columns(TELEMETRY, source.table()), columns(ROLLUPS, source.hourly()));
            for metric in source.metrics() {
                assert!(raw.iter().any(|column| column == metric), "{}.{metric}", source.table());
                for statistic in ["count", "sum", "min", "max"] {
                    let column = format!("{metric}_{statistic}");
                    assert!(hourly.contains(&column), "{}.{column}", source.hourly());
                }
            }
            let statistics = hourly.len() - ["device_id", "bucket", "PRIMARY"].len();
            assert_eq!(statistics, source.metrics().len() * 4, "{} has no other columns", source.hourly());
        }
    }

    #[test]
    fn minutely_rollups_have_the_columns_of_hourly_ones() {
        for source in Source::ALL {
            if let Some(minutely) = source.minutely() {
                let like = format!("CREATE TABLE {minutely} (LIKE {} INCLUDING ALL)", source.hourly());
                assert!(ROLLUPS.contains(&like), "{like}");
            }
        }
    }

    #[test]
    fn the_newest_row_of_each_source_has_a_column_of_its_own() {
        for source in Source::ALL {
            assert!(columns(DEVICES, "device_state").iter().any(|column| column == source.newest()));
        }
        assert_ne!(Source::Heartbeats.newest(), Source::Readings.newest());
    }

    #[test]
    fn every_metric_is_a_number_in_sql() {
        assert_eq!(Source::Heartbeats.number("cpu_usage"), "r.cpu_usage");
        assert_eq!(Source::Heartbeats.number("connectivity"), "r.connectivity::integer::double precision");
        assert_eq!(Source::Readings.summand("voltage"), "r.voltage::text::numeric");
        assert_eq!(Source::Heartbeats.summand("connectivity"), "r.connectivity::integer::numeric");
    }

    #[test]
    fn buckets_begin_before_all_data() {
        assert_eq!(bucket_of("1 hour", "r.ts"), "date_bin('1 hour', r.ts, '0001-01-01 00:00:00+00')");
    }
}
