//! Runs the queries of an aggregated response.
//!
//! They run in one transaction with one snapshot: the rollup watermark and the dirty hours are then the same for all of
//! them. Rollups answer for what they hold; raw rows for the time since the watermark, for the parts of a bucket that a
//! time range cuts off, and for dirty hours.

pub mod fragments;
mod plan_sql;

use chrono::TimeDelta;
use diesel::sql_types::{Array, Text, Timestamptz, Uuid};
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pulso_shared::rollup::Source;

use self::fragments::{has_row, instant};
use super::plan::Plan;
use super::types::{AggregateQuery, DataBounds, Point, Scope};
use crate::http::time_range::TimeRange;

/// In a shorter range little can be clipped: looking up each device's first rollup costs more.
const SHORT: TimeDelta = TimeDelta::days(40);

/// Makes the transaction's snapshot a consistent one, before it is taken: a worker that creates a partition moves rows
/// into it out of the default one, and an earlier snapshot would find them in neither. And no JIT: compiling takes longer
/// than any of these queries.
pub async fn prepare_snapshot(connection: &mut AsyncPgConnection, source: Source) -> QueryResult<()> {
    let table = source.table();
    connection.batch_execute(&format!("LOCK TABLE {table}_default IN ACCESS SHARE MODE; SET LOCAL jit = off")).await
}

/// Which rows and rollups there are, as far as it matters to `range`.
pub async fn load_bounds(
    connection: &mut AsyncPgConnection,
    source: Source,
    scope: Scope,
    range: TimeRange,
) -> QueryResult<DataBounds> {
    let (table, hourly, newest) = (source.table(), source.hourly(), source.newest());
    let (state, marks) = (has_row(scope, "state"), has_row(scope, "mark"));
    let oldest = match scope {
        Scope::Device(_) => format!("SELECT min(bucket) FROM {hourly} WHERE device_id = $1"),
        Scope::Owner(_) if range.to - range.from < SHORT => format!("SELECT {}", instant(range.from)),
        Scope::Owner(_) => format!(
            "SELECT min(first.bucket) FROM devices CROSS JOIN LATERAL
                 (SELECT min(bucket) AS bucket FROM {hourly} WHERE device_id = devices.id) AS first
             WHERE devices.owner_id = $1"
        ),
    };
    let sql = format!(
        "SELECT rolled_until, raw_from, ({oldest}) AS oldest_rollup,
             known.newest, known.devices, dirty.oldest AS oldest_dirty, dirty.newest AS newest_dirty
         FROM rollup_watermarks, (
             SELECT max(state.{newest}) AS newest, count(*) AS devices FROM device_state AS state WHERE {state}
         ) AS known, (
             SELECT min(hour) AS oldest, max(hour) AS newest FROM dirty_buckets AS mark
             WHERE source = '{table}' AND {marks}
         ) AS dirty
         WHERE source = '{table}'"
    );
    sql_query(sql).bind::<Uuid, _>(scope.id()).get_result(connection).await
}

/// The points, in the order of time and device.
pub async fn load_points(
    connection: &mut AsyncPgConnection,
    query: &AggregateQuery<'_>,
    bounds: &DataBounds,
) -> QueryResult<Vec<Point>> {
    sql_query(plan_sql::statement(query, &Plan::new(query, bounds)))
        .bind::<Uuid, _>(query.scope.id())
        .bind::<Array<Text>, _>(query.measures.custom_names())
        .bind::<Array<Timestamptz>, _>(&query.buckets.starts)
        .load(connection)
        .await
}
