//! The queries behind an aggregated answer.
//!
//! They run in one transaction with one snapshot: where the rollups end and which hours carry a mark is then true for
//! all of them. Rollups answer for what they may; raw rows for the open end, for what a time range cuts off of an
//! interval, and for the hours in which the intervals of a time zone meet.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::deserialize::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pulso_shared::ids::{DeviceId, UserId};
use pulso_shared::rollup::Source;

use super::grid::Grid;
use super::measure::Measure;
use super::plan::Plan;
use super::zone;

const SHORT: TimeDelta = TimeDelta::days(40);

/// Whose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A device's.
    Device(DeviceId),
    /// Those of all devices of an owner.
    Owner(UserId),
}

/// What is asked for.
pub struct Ask<'a> {
    /// Of which rows.
    pub scope: Scope,
    /// What of them.
    pub measure: &'a Measure,
    /// In which intervals.
    pub grid: &'a Grid,
    /// Whether each device has points of its own.
    pub per_device: bool,
    /// The oldest instant.
    pub from: DateTime<Utc>,
    /// The first instant behind it.
    pub to: DateTime<Utc>,
}

/// What there is, and where the rollups end.
#[derive(Debug, QueryableByName)]
pub struct Bounds {
    #[diesel(sql_type = Timestamptz)]
    pub(super) rolled_until: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub(super) raw_from: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_rolled: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(super) oldest_mark: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(super) newest_mark: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(super) newest: Option<DateTime<Utc>>,
    /// How many devices are asked about.
    #[diesel(sql_type = BigInt)]
    pub devices: i64,
}

/// The partial results of an interval.
#[derive(Debug, QueryableByName)]
pub struct Partial {
    /// The interval's start.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// The device, where each has points of its own.
    #[diesel(sql_type = Nullable<Uuid>)]
    pub device_id: Option<DeviceId>,
    /// As [`Measure`] says.
    #[diesel(sql_type = Array<Nullable<Double>>)]
    pub parts: Vec<Option<f64>>,
}

impl Scope {
    /// The owner's id or the device's.
    pub fn id(self) -> uuid::Uuid {
        match self {
            Self::Device(device) => device.as_uuid(),
            Self::Owner(owner) => owner.as_uuid(),
        }
    }

    /// The condition that a row of `devices` is in it, in SQL.
    pub fn holds_device(self) -> &'static str {
        match self {
            Self::Device(_) => "devices.id = $1",
            Self::Owner(_) => "devices.owner_id = $1",
        }
    }

    /// The condition that rows of `table` are in it, in SQL; `$1` is [`Self::id`].
    pub fn holds(self, table: &str) -> String {
        match self {
            Self::Device(_) => format!("{table}.device_id = $1"),
            Self::Owner(_) => format!("{table}.device_id IN (SELECT id FROM devices WHERE owner_id = $1)"),
        }
    }
}

impl Bounds {
    /// The part of the time from `start` to `end` in which there may be rows, both ends included.
    #[must_use]
    pub fn cut(&self, (start, end): (DateTime<Utc>, DateTime<Utc>)) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let rolled = self.oldest_rolled.unwrap_or(self.rolled_until).min(self.rolled_until);
        let oldest = self.oldest_mark.map_or(rolled, |mark| mark.min(rolled));
        let (from, to) = (start.max(oldest), end.min(self.newest?));
        (from <= to).then_some((from, to))
    }
}

/// Makes the transaction's snapshot a whole one, before it is taken: a worker that makes a partition moves rows into it
/// out of the default one, and a snapshot from before would find them in neither. And no JIT: compiling takes longer
/// than any of these queries.
///
/// # Errors
/// When the database is away.
pub async fn prepare(connection: &mut AsyncPgConnection, source: Source) -> QueryResult<()> {
    let table = source.table();
    connection.batch_execute(&format!("LOCK TABLE {table}_default IN ACCESS SHARE MODE; SET LOCAL jit = off")).await
}

/// What there is, as far as it matters to the time from `start` to `end`.
///
/// # Errors
/// When the database is away.
pub async fn load_bounds(
    connection: &mut AsyncPgConnection,
    source: Source,
    scope: Scope,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<Bounds> {
    let (table, hourly, newest) = (source.table(), source.hourly(), source.newest());
    let (state, marks) = (scope.holds("state"), scope.holds("mark"));
    let oldest = match scope {
        Scope::Device(_) => format!("SELECT min(bucket) FROM {hourly} WHERE device_id = $1"),
        // Each device's first hour is looked up; where little can be cut off, that is not worth it.
        Scope::Owner(_) if end - start < SHORT => format!("SELECT {}", instant(start)),
        Scope::Owner(_) => format!(
            "SELECT min(first.bucket) FROM devices CROSS JOIN LATERAL
                 (SELECT min(bucket) AS bucket FROM {hourly} WHERE device_id = devices.id) AS first
             WHERE devices.owner_id = $1"
        ),
    };
    let sql = format!(
        "SELECT rolled_until, raw_from, ({oldest}) AS oldest_rolled,
             known.newest, known.devices, marks.oldest AS oldest_mark, marks.newest AS newest_mark
         FROM rollup_watermarks, (
             SELECT max(state.{newest}) AS newest, count(*) AS devices FROM device_state AS state WHERE {state}
         ) AS known, (
             SELECT min(hour) AS oldest, max(hour) AS newest FROM dirty_buckets AS mark
             WHERE source = '{table}' AND {marks}
         ) AS marks
         WHERE source = '{table}'"
    );
    sql_query(sql).bind::<Uuid, _>(scope.id()).get_result(connection).await
}

/// Asks for rows of a scope.
///
/// # Errors
/// When the database is away.
pub async fn query<R: QueryableByName<Pg> + Send + 'static>(
    sql: String,
    scope: Scope,
    connection: &mut AsyncPgConnection,
) -> QueryResult<Vec<R>> {
    sql_query(sql).bind::<Uuid, _>(scope.id()).load(connection).await
}

/// The partial results of each interval, in the order of time and device.
///
/// # Errors
/// When the database is away.
pub async fn load(connection: &mut AsyncPgConnection, ask: &Ask<'_>, bounds: &Bounds) -> QueryResult<Vec<Partial>> {
    let mut partials = Vec::new();
    for sql in Plan::new(ask, bounds).queries() {
        let query = sql_query(sql)
            .bind::<Uuid, _>(ask.scope.id())
            .bind::<Array<Text>, _>(ask.measure.further_names())
            .bind::<Array<Timestamptz>, _>(&ask.grid.starts);
        partials.append(&mut query.load::<Partial>(connection).await?);
    }
    partials.sort_by_key(|partial| (partial.at, partial.device_id));
    partials.dedup_by(|next, sum| {
        let same = (next.at, next.device_id) == (sum.at, sum.device_id);
        if same {
            ask.measure.combine(&mut sum.parts, &next.parts);
        }
        same
    });
    Ok(partials)
}

/// A condition whose ends are constants, so that only the partitions between them are planned and opened.
pub fn between(column: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    format!("{column} >= {} AND {column} < {}", instant(from), instant(to))
}

/// An instant in SQL. PostgreSQL has no year 0; nothing is that old.
pub fn instant(at: DateTime<Utc>) -> String {
    let at = at.max(zone::ORIGIN);
    format!("'{}'::timestamptz", at.format("%Y-%m-%d %H:%M:%S%.6f+00"))
}
