//! Which part of an aggregated answer comes from rollups and which from raw rows, in SQL.

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::rollup::bucket_of;

use super::grid::Step;
use super::partials::{Ask, Bounds, Scope, between, instant};
use super::zone::floor;

const HOUR: TimeDelta = TimeDelta::hours(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);

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
pub struct Plan<'a> {
    ask: &'a Ask<'a>,
    rolled: Option<Rolled>,
    /// What raw rows answer for, beside the dirty hours.
    raw: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Plan<'a> {
    /// How `ask` is answered out of what there is.
    #[must_use]
    pub fn new(ask: &'a Ask<'a>, bounds: &Bounds) -> Self {
        let whole = |(table, width): (&'static str, TimeDelta)| {
            let ceil = |at: DateTime<Utc>| floor(at + width - TimeDelta::microseconds(1), width);
            // Nothing lies behind the newest row: its interval is whole, and its raw rows may have been given up.
            let is_last = bounds.newest.is_some_and(|newest| newest < ask.to);
            let end = if is_last { ceil(ask.to) } else { ask.to };
            let (from, to) = (ceil(ask.from), floor(end.min(bounds.rolled_until), width));
            (from < to).then_some(Rolled { table, width, from, to, dirty: None })
        };
        let Some(rolled) = coarsest_rollups(ask).and_then(whole) else {
            return Self { ask, rolled: None, raw: vec![(ask.from, ask.to)] };
        };
        let raw = vec![(ask.from, rolled.from), (rolled.to, ask.to)];
        let dirty = dirty(ask, bounds, &rolled);
        Self { ask, rolled: Some(Rolled { dirty, ..rolled }), raw }
    }

    /// The queries, in SQL: `$1` the scope's id, `$2` the further numbers' names, `$3` the intervals' starts.
    pub fn queries(&self) -> impl Iterator<Item = String> {
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
        "SELECT device_id, hour FROM dirty_buckets AS mark WHERE source = '{table}' AND {holds} AND {}",
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

fn instants(all: &[DateTime<Utc>]) -> String {
    format!("ARRAY[{}]", all.iter().map(|at| instant(*at)).collect::<Vec<_>>().join(", "))
}
