//! The queries. Each of them is served by the primary key `(device_id, ts)`.

pub mod custom_metrics;
pub mod rows;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::deserialize::QueryableByName;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use self::rows::{HeartbeatRow, Latest, ReadingRow};
use super::types::Order;
use super::windows::windows;
use crate::http::time_range::TimeRange;
use crate::ids::UserId;
use crate::schema::{device_state, devices, heartbeats, readings};

/// A device, and the timestamps of the newest of what it sent.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct DeviceSummary {
    pub id: DeviceId,
    pub owner_id: UserId,
    pub heartbeat_ts: Option<DateTime<Utc>>,
    pub reading_ts: Option<DateTime<Utc>>,
}

/// The device `id`, if there is one.
pub async fn find_device(connection: &mut AsyncPgConnection, id: DeviceId) -> QueryResult<Option<DeviceSummary>> {
    summaries().filter(devices::id.eq(id)).first(connection).await.optional()
}

#[diesel::dsl::auto_type]
fn summaries() -> _ {
    devices::table.left_join(device_state::table).select((
        devices::id,
        devices::owner_id,
        device_state::heartbeat_ts.nullable(),
        device_state::reading_ts.nullable(),
    ))
}

/// At most `limit` heartbeats of a time range.
pub async fn list_heartbeats(
    connection: &mut AsyncPgConnection,
    device: &DeviceSummary,
    (range, order): (TimeRange, Order),
    limit: i64,
) -> QueryResult<Vec<HeartbeatRow>> {
    gather(windows(range, order, device.heartbeat_ts), limit, async |window, limit| {
        let rows = heartbeats::table
            .filter(heartbeats::device_id.eq(device.id))
            .filter(heartbeats::ts.between(window.from, window.to))
            .select(HeartbeatRow::as_select())
            .limit(limit);
        match order {
            Order::Asc => rows.order(heartbeats::ts.asc()).load(connection).await,
            Order::Desc => rows.order(heartbeats::ts.desc()).load(connection).await,
        }
    })
    .await
}

/// At most `limit` sensor readings of a time range.
pub async fn list_readings(
    connection: &mut AsyncPgConnection,
    device: &DeviceSummary,
    (range, order): (TimeRange, Order),
    limit: i64,
) -> QueryResult<Vec<ReadingRow>> {
    gather(windows(range, order, device.reading_ts), limit, async |window, limit| {
        let rows = readings::table
            .filter(readings::device_id.eq(device.id))
            .filter(readings::ts.between(window.from, window.to))
            .select(ReadingRow::as_select())
            .limit(limit);
        match order {
            Order::Asc => rows.order(readings::ts.asc()).load(connection).await,
            Order::Desc => rows.order(readings::ts.desc()).load(connection).await,
        }
    })
    .await
}

/// Reads window after window until there are `limit` rows.
async fn gather<R>(
    windows: impl Iterator<Item = TimeRange>,
    limit: i64,
    mut read: impl AsyncFnMut(TimeRange, i64) -> QueryResult<Vec<R>>,
) -> QueryResult<Vec<R>> {
    let mut rows = Vec::new();
    for window in windows {
        let missing = limit.saturating_sub_unsigned(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        if missing <= 0 {
            break;
        }
        rows.append(&mut read(window, missing).await?);
    }
    Ok(rows)
}

/// The newest heartbeat and reading of each of `devices`, in three queries however many they are. A device that has
/// sent nothing is left out.
pub async fn list_latest(
    connection: &mut AsyncPgConnection,
    devices: &[DeviceId],
) -> QueryResult<HashMap<DeviceId, Latest>> {
    let found: Vec<DeviceSummary> = summaries().filter(devices::id.eq_any(devices)).load(connection).await?;
    load_latest(connection, &found).await
}

/// The same of devices that were looked up.
pub async fn load_latest(
    connection: &mut AsyncPgConnection,
    devices: &[DeviceSummary],
) -> QueryResult<HashMap<DeviceId, Latest>> {
    let heartbeats = devices.iter().filter_map(|device| device.heartbeat_ts.map(|ts| (device.id, ts))).collect();
    let readings = devices.iter().filter_map(|device| device.reading_ts.map(|ts| (device.id, ts))).collect();
    let mut latest: HashMap<DeviceId, Latest> = HashMap::with_capacity(devices.len());
    for found in load_by_key(connection, include_str!("heartbeats_by_key.sql"), heartbeats).await? {
        latest.entry(found.device_id).or_default().heartbeat = Some(found.row);
    }
    for found in load_by_key(connection, include_str!("readings_by_key.sql"), readings).await? {
        latest.entry(found.device_id).or_default().reading = Some(found.row);
    }
    Ok(latest)
}

/// A row and its device.
#[derive(QueryableByName)]
struct Keyed<R> {
    #[diesel(sql_type = Uuid)]
    device_id: DeviceId,
    #[diesel(embed)]
    row: R,
}

async fn load_by_key<R: QueryableByName<Pg> + Send + 'static>(
    connection: &mut AsyncPgConnection,
    sql: &str,
    keys: Vec<(DeviceId, DateTime<Utc>)>,
) -> QueryResult<Vec<Keyed<R>>> {
    let instants = || keys.iter().map(|(_, ts)| *ts);
    let Some((oldest, newest)) = instants().min().zip(instants().max()) else {
        return Ok(Vec::new());
    };
    sql_query(sql)
        .bind::<Array<Uuid>, _>(keys.iter().map(|(device, _)| *device).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(instants().collect::<Vec<_>>())
        .bind::<Timestamptz, _>(oldest)
        .bind::<Timestamptz, _>(newest)
        .load(connection)
        .await
}
