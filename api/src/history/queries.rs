//! Reads rows, the newest of them, and points.

use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use pulso_shared::ids::DeviceId;

use super::access::Reader;
use super::store;
use super::store::rows::{HeartbeatRow, LatestResponse, ReadingRow};
use super::types::{Order, PointsQuery, RowsQuery};
use super::windows::after;
use crate::aggregation::{
    AggregateQuery, Buckets, PartialAggregate, Scope, Step, load_bounds, load_partials, prepare_snapshot,
};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::{Page, TimeCursor};
use crate::rate_limit::HeavyDb;

/// The newest heartbeat and reading of a device.
pub async fn find_latest(db: &DbPool, reader: Reader, device: DeviceId) -> Result<LatestResponse, ApiError> {
    let mut connection = db.get().await?;
    let device = reader.find(&mut connection, device).await?;
    let latest = store::load_latest(&mut connection, &[device]).await?.remove(&device.id).unwrap_or_default();
    Ok(LatestResponse { device_id: device.id, heartbeat: latest.heartbeat, reading: latest.reading })
}

/// The heartbeats of a page, and one more where there are more.
pub async fn list_heartbeats(
    db: &HeavyDb,
    (reader, device): (Reader, DeviceId),
    query: &RowsQuery,
    page: &Page<TimeCursor>,
) -> Result<Vec<HeartbeatRow>, ApiError> {
    let range = after(query.range, query.order, page.after);
    db.run(async |connection| {
        let device = reader.find(connection, device).await?;
        Ok(store::list_heartbeats(connection, &device, (range, query.order), page.fetch_limit()).await?)
    })
    .await
}

/// The sensor readings of a page, and one more where there are more.
pub async fn list_readings(
    db: &HeavyDb,
    (reader, device): (Reader, DeviceId),
    query: &RowsQuery,
    page: &Page<TimeCursor>,
) -> Result<Vec<ReadingRow>, ApiError> {
    let range = after(query.range, query.order, page.after);
    db.run(async |connection| {
        let device = reader.find(connection, device).await?;
        Ok(store::list_readings(connection, &device, (range, query.order), page.fetch_limit()).await?)
    })
    .await
}

/// Points in the order that was asked for, and their step; no step where there are none.
pub async fn list_points(
    db: &HeavyDb,
    reader: Reader,
    device: DeviceId,
    query: &PointsQuery,
) -> Result<(Option<Step>, Vec<PartialAggregate>), ApiError> {
    let (step, mut points) = db
        .run(async |connection| {
            let mut transaction = connection.build_transaction().repeatable_read().read_only();
            transaction.run(async |connection| read_points(connection, reader, device, query).await).await
        })
        .await?;
    if query.order == Order::Desc {
        points.reverse();
    }
    Ok((step, points))
}

async fn read_points(
    connection: &mut AsyncPgConnection,
    reader: Reader,
    device: DeviceId,
    query: &PointsQuery,
) -> Result<(Option<Step>, Vec<PartialAggregate>), ApiError> {
    let measures = &query.measures;
    prepare_snapshot(connection, measures.source).await?;
    let scope = Scope::Device(reader.find(connection, device).await?.id);
    let bounds = load_bounds(connection, measures.source, scope, query.range).await?;
    let Some(range) = bounds.clip(query.range) else { return Ok((None, Vec::new())) };
    let step = query.aggregation.step(range, query.max_points);
    let buckets = Buckets::new(step, query.zone, range)
        .map_err(|error| ApiError::field("aggregation", "too_many_points", error))?;
    let (from, to) = (range.from, range.to + TimeDelta::microseconds(1));
    let aggregate = AggregateQuery { scope, measures, buckets: &buckets, per_device: false, from, to };
    Ok((Some(step), load_partials(connection, &aggregate, &bounds).await?))
}
