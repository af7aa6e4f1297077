//! The rolled-up tables and their columns. The worker computes rollups, the API reads them; `docs/reading.md` says how they
//! stay exact.

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

    /// The raw table; also its name in `rollup_frontiers` and `rollup_marks`.
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
}

/// SQL for the start of the bucket of `width` (such as `1 hour`) that contains `instant`. The origin is before all data,
/// because `date_bin` of PostgreSQL up to 15.5 is wrong for instants before its origin.
pub fn bucket_of(width: &str, instant: &str) -> String {
    format!("date_bin('{width}', {instant}, '0001-01-01 00:00:00+00')")
}
