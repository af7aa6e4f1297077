//! The queries of a plan. `$1` is the scope's id, `$2` the names of custom metrics, `$3` the starts of buckets.

use chrono::{DateTime, Utc};
use pulso_shared::rollup::bucket_of;

use super::super::plan::{DirtyHours, Plan, Rollups};
use super::super::types::{AggregateQuery, Scope};
use super::fragments::{between, bucket, has_row, instants, raw_parts, rollup_parts};

pub fn queries(query: &AggregateQuery<'_>, plan: &Plan) -> Vec<String> {
    let rollups = plan.rollups.as_ref();
    let of_rollups = rollups.map(|rollups| select_rollups(query, rollups));
    let of_dirty = rollups.and_then(|rollups| rollups.dirty.as_ref()).map(|dirty| select_dirty(query, dirty));
    let of_raw = plan.raw.iter().map(|(from, to)| select_raw(query, *from, *to));
    of_rollups.into_iter().chain(of_dirty).chain(of_raw).collect()
}

fn select_rollups(query: &AggregateQuery<'_>, rollups: &Rollups) -> String {
    let Rollups { table, width, from, to, dirty } = rollups;
    // One rollup is one point: nothing to group.
    let is_single = query.buckets.is_utc(*width) && (query.per_device || matches!(query.scope, Scope::Device(_)));
    let (at, group) =
        if is_single { ("r.bucket".to_owned(), "") } else { (bucket(query.buckets, "r.bucket"), "GROUP BY 1, 2") };
    let (holds, device, parts) =
        (has_row(query.scope, "r"), device_column(query), rollup_parts(query.measures, !is_single));
    let (with, clean) = match dirty {
        None => (String::new(), String::new()),
        Some(dirty) => (
            format!("WITH dirty AS MATERIALIZED ({})", list_dirty_hours(query, dirty)),
            format!(
                "AND NOT EXISTS (SELECT FROM dirty WHERE dirty.device_id = r.device_id AND dirty.hour = {})",
                bucket_of("1 hour", "r.bucket")
            ),
        ),
    };
    format!(
        "{with} SELECT {at} AS at, {device} AS device_id, ARRAY[{parts}]::double precision[] AS parts
         FROM {table} AS r WHERE {holds} AND {} {clean} {group}",
        between("r.bucket", *from, *to)
    )
}

fn select_dirty(query: &AggregateQuery<'_>, dirty: &DirtyHours) -> String {
    let (hours, select, table) = (list_dirty_hours(query, dirty), select_parts(query), query.measures.source.table());
    let (from, to) = dirty.within;
    // OFFSET 0: each hour is read on its own, by the key.
    format!(
        "WITH dirty AS MATERIALIZED ({hours}) {select} FROM dirty CROSS JOIN LATERAL (
             SELECT * FROM {table} AS r WHERE r.device_id = dirty.device_id
             AND r.ts >= dirty.hour AND r.ts < dirty.hour + interval '1 hour' AND {} OFFSET 0
         ) AS r GROUP BY 1, 2",
        between("r.ts", from, to)
    )
}

fn select_raw(query: &AggregateQuery<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let (select, table, holds) = (select_parts(query), query.measures.source.table(), has_row(query.scope, "r"));
    format!("{select} FROM {table} AS r WHERE {holds} AND {} GROUP BY 1, 2", between("r.ts", from, to))
}

fn select_parts(query: &AggregateQuery<'_>) -> String {
    let (at, device, parts) = (bucket(query.buckets, "r.ts"), device_column(query), raw_parts(query.measures));
    format!("SELECT {at} AS at, {device} AS device_id, ARRAY[{parts}]::double precision[] AS parts")
}

fn device_column(query: &AggregateQuery<'_>) -> &'static str {
    if query.per_device { "r.device_id" } else { "NULL::uuid" }
}

/// `device_id` and `hour` of each dirty hour.
fn list_dirty_hours(query: &AggregateQuery<'_>, dirty: &DirtyHours) -> String {
    let (table, holds, split) = (query.measures.source.table(), has_row(query.scope, "mark"), &dirty.split);
    let (from, to) = dirty.marked;
    let marked = format!(
        "SELECT device_id, hour FROM dirty_buckets AS mark WHERE source = '{table}' AND {holds} AND {}",
        between("hour", from, to)
    );
    let split = match (split.is_empty(), query.scope) {
        (true, _) => String::new(),
        (false, Scope::Device(_)) => format!("UNION SELECT $1, hour FROM unnest({}) AS hour", instants(split)),
        (false, Scope::Owner(_)) => {
            format!("UNION SELECT id, hour FROM devices, unnest({}) AS hour WHERE owner_id = $1", instants(split))
        }
    };
    format!("SELECT DISTINCT * FROM ({marked} {split}) AS found")
}
