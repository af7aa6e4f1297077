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
use pulso_shared::rollup::{Source, bucket_of};

use super::grid::{Grid, Step};
use super::measure::Measure;
use super::zone::{self, floor};

const HOUR: TimeDelta = TimeDelta::hours(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);
const SHORT: TimeDelta = TimeDelta::days(40);

/// Whose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    rolled_until: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    raw_from: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_rolled: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_mark: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    newest_mark: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    newest: Option<DateTime<Utc>>,
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
    fn id(self) -> uuid::Uuid {
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
         FROM rollup_frontiers, (
             SELECT max(state.{newest}) AS newest, count(*) AS devices FROM device_state AS state WHERE {state}
         ) AS known, (
             SELECT min(hour) AS oldest, max(hour) AS newest FROM rollup_marks AS mark
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

/// Rollups, and the time for which they are asked.
struct Rolled {
    table: &'static str,
    width: TimeDelta,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Hours of theirs that only raw rows can answer for, in SQL: `device_id` and `hour`; and from when to when.
    dirty: Option<(String, DateTime<Utc>, DateTime<Utc>)>,
}

/// Which part of an answer comes from where.
struct Plan<'a> {
    ask: &'a Ask<'a>,
    rolled: Option<Rolled>,
    /// What raw rows answer for, beside the dirty hours.
    raw: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Plan<'a> {
    fn new(ask: &'a Ask<'a>, bounds: &Bounds) -> Self {
        let whole = |(table, width): (&'static str, TimeDelta)| {
            let from = floor(ask.from + width - TimeDelta::microseconds(1), width);
            let to = floor(ask.to.min(bounds.rolled_until), width);
            (from < to).then_some(Rolled { table, width, from, to, dirty: None })
        };
        let Some(rolled) = coarsest_rollups(ask).and_then(whole) else {
            return Self { ask, rolled: None, raw: vec![(ask.from, ask.to)] };
        };
        let raw = vec![(ask.from, rolled.from), (rolled.to, ask.to)];
        let dirty = dirty(ask, bounds, &rolled);
        Self { ask, rolled: Some(Rolled { dirty, ..rolled }), raw }
    }

    fn queries(&self) -> impl Iterator<Item = String> {
        let rolled = self.rolled.as_ref();
        let of_rollups = rolled.map(|rolled| self.of_rollups(rolled));
        let of_dirty = rolled.and_then(|rolled| rolled.dirty.as_ref().map(|dirty| self.of_dirty(rolled, dirty)));
        let raw = self.raw.iter().filter(|(from, to)| from < to).map(|(from, to)| self.of_raw(*from, *to));
        of_rollups.into_iter().chain(of_dirty).chain(raw)
    }

    fn of_rollups(&self, rolled: &Rolled) -> String {
        let Rolled { table, width, from, to, .. } = rolled;
        // One rollup is one point: nothing to put together.
        let single = self.ask.grid.is_utc(*width) && (self.ask.per_device || self.ask.scope.is_device());
        let (at, together) =
            if single { ("r.bucket".to_owned(), "") } else { (self.ask.grid.bucket_of("r.bucket"), "GROUP BY 1, 2") };
        let (holds, device, parts) = (self.ask.scope.holds("r"), self.device(), self.ask.measure.of_rollups(!single));
        let (with, clean) = match &rolled.dirty {
            None => (String::new(), String::new()),
            Some((dirty, ..)) => (
                format!("WITH dirty AS MATERIALIZED ({dirty})"),
                format!(
                    "AND NOT EXISTS (SELECT FROM dirty WHERE dirty.device_id = r.device_id AND dirty.hour = {})",
                    bucket_of("1 hour", "r.bucket")
                ),
            ),
        };
        format!(
            "{with} SELECT {at} AS at, {device} AS device_id, ARRAY[{parts}]::double precision[] AS parts
             FROM {table} AS r WHERE {holds} AND {} {clean} {together}",
            between("r.bucket", *from, *to)
        )
    }

    fn of_dirty(&self, rolled: &Rolled, dirty: &(String, DateTime<Utc>, DateTime<Utc>)) -> String {
        let (dirty, first, behind) = dirty;
        let (select, table) = (self.select_raw(), self.ask.measure.source.table());
        // OFFSET 0: each hour is read on its own, by the key.
        format!(
            "WITH dirty AS MATERIALIZED ({dirty}) {select} FROM dirty CROSS JOIN LATERAL (
                 SELECT * FROM {table} AS r WHERE r.device_id = dirty.device_id
                 AND r.ts >= dirty.hour AND r.ts < dirty.hour + interval '1 hour' AND {} OFFSET 0
             ) AS r GROUP BY 1, 2",
            between("r.ts", rolled.from.max(*first), rolled.to.min(*behind))
        )
    }

    fn of_raw(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
        let (select, table, holds) = (self.select_raw(), self.ask.measure.source.table(), self.ask.scope.holds("r"));
        format!("{select} FROM {table} AS r WHERE {holds} AND {} GROUP BY 1, 2", between("r.ts", from, to))
    }

    fn select_raw(&self) -> String {
        let (at, device, parts) = (self.ask.grid.bucket_of("r.ts"), self.device(), self.ask.measure.of_raw());
        format!("SELECT {at} AS at, {device} AS device_id, ARRAY[{parts}]::double precision[] AS parts")
    }

    fn device(&self) -> &'static str {
        if self.ask.per_device { "r.device_id" } else { "NULL::uuid" }
    }
}

impl Scope {
    fn is_device(self) -> bool {
        matches!(self, Self::Device(_))
    }
}

/// The coarsest rollups out of which the answer can be put together.
fn coarsest_rollups(ask: &Ask<'_>) -> Option<(&'static str, TimeDelta)> {
    if !ask.measure.is_rolled_up() {
        return None;
    }
    let hourly = Some((ask.measure.source.hourly(), HOUR));
    let minutely =
        || ask.measure.source.minutely().filter(|_| ask.grid.is_aligned(MINUTE)).map(|table| (table, MINUTE));
    match ask.grid.step {
        // Few hours hold a day's start; raw rows answer for them.
        Step::Days(_) => hourly,
        Step::Hour if ask.grid.is_aligned(HOUR) => hourly,
        Step::Hour | Step::Minute => minutely(),
    }
}

/// The hours for which `rolled` cannot answer: marked ones, and those in which two intervals meet.
fn dirty(ask: &Ask<'_>, bounds: &Bounds, rolled: &Rolled) -> Option<(String, DateTime<Utc>, DateTime<Utc>)> {
    let (first, behind) = (floor(rolled.from, HOUR).max(bounds.raw_from), rolled.to);
    let marks =
        bounds.oldest_mark.zip(bounds.newest_mark).filter(|(oldest, newest)| *newest >= first && *oldest < behind);
    let meeting: Vec<_> = if rolled.width == HOUR {
        let hours = ask.grid.unaligned(HOUR).map(|start| floor(start, HOUR));
        hours.filter(|hour| *hour >= first && *hour < behind).collect()
    } else {
        Vec::new()
    };
    let marked = marks.map(|(oldest, newest)| (oldest.max(first), newest.min(behind - HOUR)));
    let oldest = marked.iter().map(|(oldest, _)| *oldest).chain(meeting.iter().copied()).min()?;
    let newest = marked.iter().map(|(_, newest)| *newest).chain(meeting.iter().copied()).max()?;
    let (table, holds) = (ask.measure.source.table(), ask.scope.holds("mark"));
    let of_marks = format!(
        "SELECT device_id, hour FROM rollup_marks AS mark WHERE source = '{table}' AND {holds} AND {}",
        between("hour", first, behind)
    );
    let of_starts = match (meeting.is_empty(), ask.scope) {
        (true, _) => String::new(),
        (false, Scope::Device(_)) => format!("UNION SELECT $1, hour FROM unnest({}) AS hour", instants(&meeting)),
        (false, Scope::Owner(_)) => {
            format!("UNION SELECT id, hour FROM devices, unnest({}) AS hour WHERE owner_id = $1", instants(&meeting))
        }
    };
    Some((format!("SELECT DISTINCT * FROM ({of_marks} {of_starts}) AS found"), oldest, newest + HOUR))
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

fn instants(all: &[DateTime<Utc>]) -> String {
    format!("ARRAY[{}]", all.iter().map(|at| instant(*at)).collect::<Vec<_>>().join(", "))
}
