//! The queries.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid};
use diesel::{OptionalExtension, QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;

use super::types::{DataRow, SensorType};
use crate::aggregation::Scope;
use crate::aggregation::fragments::{between, has_device, has_row, instant};
use crate::http::time_range::TimeRange;

/// Which rows a page holds.
pub struct PageQuery {
    pub scope: Scope,
    /// Only this sensor's numbers, and only rows that have one.
    pub sensor: Option<SensorType>,
    pub from: DateTime<Utc>,
    /// The first instant after the page.
    pub to: DateTime<Utc>,
    /// The last row of the page before.
    pub after: Option<(DateTime<Utc>, DeviceId)>,
    pub rows_per_device: usize,
    pub max_rows: usize,
}

/// The rows of a page, in the order of time and device.
pub async fn list_rows(connection: &mut AsyncPgConnection, page: &PageQuery) -> QueryResult<Vec<DataRow>> {
    let sensor = page.sensor.map(SensorType::column);
    let column = |name: &&str| match sensor {
        Some(sensor) if sensor != *name => format!("NULL::double precision AS {name}"),
        _ => format!("r.{name}"),
    };
    let columns: Vec<_> = Source::Readings.metrics().iter().map(column).collect();
    let metrics = sensor.map_or("r.metrics", |_| "NULL::jsonb AS metrics");
    let present = sensor.map_or_else(String::new, |sensor| format!("AND r.{sensor} IS NOT NULL"));
    let after = page.after.map_or_else(String::new, |(ts, device)| {
        format!("AND (r.ts, r.device_id) > ({}, '{}'::uuid)", instant(ts), device.as_uuid())
    });
    let sql = format!(
        "SELECT row.* FROM devices CROSS JOIN LATERAL (
             SELECT r.ts AS timestamp, r.device_id AS server_ulid, {}, {metrics} FROM readings AS r
             WHERE r.device_id = devices.id AND {} {present} {after} ORDER BY r.ts LIMIT {}
         ) AS row WHERE {} ORDER BY row.timestamp, row.server_ulid LIMIT {}",
        columns.join(", "),
        between("r.ts", page.from, page.to),
        page.rows_per_device,
        has_device(page.scope),
        page.max_rows
    );
    sql_query(sql).bind::<Uuid, _>(page.scope.id()).load(connection).await
}

/// The state of the data of which a response was made: as long as it is the same, the response is.
///
/// What lies in an hour before the rollup watermark (`rolled_until`) can change in three ways. A late row marks the hour
/// as dirty, in the transaction that stores it; whoever rolls the hour up again increments `revision`, in the same
/// transaction. Rollups or raw rows become too old and are deleted: `revision` again, or `raw_from`. The owner gets or
/// loses a device. So two moments without a dirty hour and with the same revision, the same `raw_from` and the same
/// devices have the same rows in it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DataVersion {
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Timestamptz)]
    raw_from: DateTime<Utc>,
    /// A digest of the devices' ids.
    #[diesel(sql_type = Text)]
    devices: String,
}

/// The version of the data in `range`; `None` while the range reaches behind the rollup watermark or has a dirty hour.
pub async fn find_version(
    connection: &mut AsyncPgConnection,
    source: Source,
    scope: Scope,
    range: TimeRange,
) -> QueryResult<Option<DataVersion>> {
    let (table, device, is_in_scope) = (source.table(), has_device(scope), has_row(scope, "dirty"));
    // A dirty bucket is named by the start of its hour: one that starts less than an hour before the range may be of a row in it.
    let hour_before = range.from.checked_sub_signed(TimeDelta::hours(1)).unwrap_or(range.from);
    let (before, last) = (instant(hour_before), instant(range.to));
    let sql = format!(
        "SELECT revision, raw_from, known.devices
         FROM rollup_watermarks, (
             SELECT md5(coalesce(string_agg(id::text, ' ' ORDER BY id), '')) AS devices FROM devices WHERE {device}
         ) AS known
         WHERE source = '{table}' AND rolled_until > {last} AND NOT EXISTS (
             SELECT FROM dirty_buckets AS dirty
             WHERE dirty.source = '{table}' AND dirty.hour > {before} AND dirty.hour <= {last} AND {is_in_scope}
         )"
    );
    sql_query(sql).bind::<Uuid, _>(scope.id()).get_result(connection).await.optional()
}
