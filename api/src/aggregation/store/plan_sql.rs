//! The statement of a plan. `$1` is the scope's id, `$2` the names of custom metrics, `$3` the starts of buckets.
//!
//! Rollups and raw rows contribute to a point alike: one aggregate is made of all of them, so that a mean of some rollups and
//! some rows is as exact as one of rows.

use chrono::{DateTime, Utc};
use pulso_shared::rollup::bucket_of;

use super::super::plan::{DirtyHours, Plan, Rollups};
use super::super::types::{AggregateQuery, Scope};
use super::fragments::{between, bucket, has_row, instants, raw_parts, rollup_parts, values};

pub fn statement(query: &AggregateQuery<'_>, plan: &Plan) -> String {
    let rollups = plan.rollups.as_ref();
    let dirty = rollups.and_then(|rollups| rollups.dirty.as_ref());
    let with = dirty
        .map_or_else(String::new, |dirty| format!("WITH dirty AS MATERIALIZED ({})", list_dirty_hours(query, dirty)));
    let of_raw = plan.raw.iter().map(|(from, to)| select_raw(query, *from, *to));
    let mut grouped: Vec<_> = dirty.map(|dirty| select_dirty(query, dirty)).into_iter().chain(of_raw).collect();
    let mut points = Vec::new();
    if let Some(rollups) = rollups {
        let of_rollups = select_rollups(query, rollups);
        // One rollup is one point, to which no raw row contributes: nothing to group.
        if query.buckets.is_utc(rollups.width) && (query.per_device || matches!(query.scope, Scope::Device(_))) {
            points.push(select_points(query, &of_rollups, false));
        } else {
            grouped.push(of_rollups);
        }
    }
    if !grouped.is_empty() {
        points.push(select_points(query, &grouped.join(" UNION ALL "), true));
    }
    format!("{with} {} ORDER BY 1, 2", points.join(" UNION ALL "))
}

fn select_points(query: &AggregateQuery<'_>, parts: &str, is_grouped: bool) -> String {
    let group = if is_grouped { "GROUP BY 1, 2" } else { "" };
    format!("SELECT part.at, part.device_id, {} FROM ({parts}) AS part {group}", values(query.measures, is_grouped))
}

fn select_rollups(query: &AggregateQuery<'_>, rollups: &Rollups) -> String {
    let Rollups { table, width: _, from, to, dirty } = rollups;
    let (at, device, parts) = (bucket(query.buckets, "r.bucket"), device_column(query), rollup_parts(query.measures));
    let clean = match dirty {
        None => String::new(),
        Some(_) => format!(
            "AND NOT EXISTS (SELECT FROM dirty WHERE dirty.device_id = r.device_id AND dirty.hour = {})",
            bucket_of("1 hour", "r.bucket")
        ),
    };
    format!(
        "SELECT {at} AS at, {device} AS device_id, {parts} FROM {table} AS r WHERE {} AND {} {clean}",
        has_row(query.scope, "r"),
        between("r.bucket", *from, *to)
    )
}

fn select_dirty(query: &AggregateQuery<'_>, dirty: &DirtyHours) -> String {
    let (select, table) = (select_parts(query), query.measures.source.table());
    let (from, to) = dirty.within;
    // OFFSET 0: each hour is read on its own, by the key.
    format!(
        "{select} FROM dirty CROSS JOIN LATERAL (
             SELECT * FROM {table} AS r WHERE r.device_id = dirty.device_id
             AND r.ts >= dirty.hour AND r.ts < dirty.hour + interval '1 hour' AND {} OFFSET 0
         ) AS r",
        between("r.ts", from, to)
    )
}

fn select_raw(query: &AggregateQuery<'_>, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let (select, table, holds) = (select_parts(query), query.measures.source.table(), has_row(query.scope, "r"));
    format!("{select} FROM {table} AS r WHERE {holds} AND {}", between("r.ts", from, to))
}

fn select_parts(query: &AggregateQuery<'_>) -> String {
    let (at, device, parts) = (bucket(query.buckets, "r.ts"), device_column(query), raw_parts(query.measures));
    format!("SELECT {at} AS at, {device} AS device_id, {parts}")
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
