//! What is rolled up, and where it lies. The worker computes rollups, the API reads them; how they stay exact is told in
//! `docs/reading.md`.

/// A table of raw rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What devices say about themselves.
    Heartbeats,
    /// What they say about the world around them.
    Readings,
}

impl Source {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Heartbeats, Self::Readings];

    /// The raw table; also its name in `rollup_frontiers` and `rollup_marks`.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeats",
            Self::Readings => "readings",
        }
    }

    /// The rollups by hour.
    #[must_use]
    pub fn hourly(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeats_hourly",
            Self::Readings => "readings_hourly",
        }
    }

    /// The rollups by minute, where there are any.
    #[must_use]
    pub fn minutely(self) -> Option<&'static str> {
        match self {
            Self::Heartbeats => None,
            Self::Readings => Some("readings_minutely"),
        }
    }

    /// The column of `device_state` that holds the newest row's timestamp.
    #[must_use]
    pub fn newest(self) -> &'static str {
        match self {
            Self::Heartbeats => "heartbeat_ts",
            Self::Readings => "reading_ts",
        }
    }

    /// The columns that are numbers, in the order in which they are told.
    #[must_use]
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Heartbeats => &["cpu_usage", "ram_usage", "disk_free", "temperature", "latency", "connectivity"],
            Self::Readings => &["temperature", "humidity", "voltage", "current"],
        }
    }

    /// A metric of a raw row `r` as a number: a connection that is there counts as 1.
    #[must_use]
    pub fn number(self, metric: &str) -> String {
        match metric {
            "connectivity" => "r.connectivity::integer::double precision".to_owned(),
            column => format!("r.{column}"),
        }
    }
}

/// The start of the interval of `width` (such as `1 hour`) in which `instant` lies, in SQL. Counted from an instant before all
/// data, because PostgreSQL up to 15.5 counts wrongly backwards.
#[must_use]
pub fn bucket_of(width: &str, instant: &str) -> String {
    format!("date_bin('{width}', {instant}, '0001-01-01 00:00:00+00')")
}
