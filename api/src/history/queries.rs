//! Reads rows, the newest of them, and points.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, TransactionManager};
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;

use super::access::Reader;
use super::store;
use super::store::rows::{HeartbeatRow, Latest, LatestResponse, ReadingRow};
use super::types::{Order, PointsQuery, RowsQuery};
use super::windows::after;
use crate::aggregation::{AggregateQuery, Buckets, Point, Scope, Step, load_bounds, load_points, prepare_snapshot};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::{Page, TimeCursor};
use crate::rate_limit::HeavyDb;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The newest heartbeat and reading of a device.
pub async fn find_latest(db: &DbPool, reader: Reader, device: DeviceId) -> Result<LatestResponse, ApiError> {
    let mut connection = db.get().await?;
    let mut transaction = connection.build_transaction().repeatable_read().read_only();
    let found = transaction.run(async |connection| {
        prepare_snapshots(connection).await?;
        let device = reader.find(connection, device).await?;
        let latest = store::load_latest(connection, &[device]).await?.remove(&device.id).unwrap_or_default();
        Ok(LatestResponse { device_id: device.id, heartbeat: latest.heartbeat, reading: latest.reading })
    });
    found.await
}

/// The newest heartbeat and reading of each of `devices`; one that has sent nothing is left out.
pub async fn list_latest(
    connection: &mut AsyncPgConnection,
    devices: &[DeviceId],
) -> Result<HashMap<DeviceId, Latest>, ApiError> {
    let mut transaction = connection.build_transaction().repeatable_read().read_only();
    let found = transaction.run(async |connection| {
        prepare_snapshots(connection).await?;
        Ok(store::list_latest(connection, devices).await?)
    });
    found.await
}

/// As `build_transaction`, for what a closure cannot hold. A connection whose transaction is not ended is not used again.
async fn begin_snapshot(connection: &mut AsyncPgConnection, source: Source) -> Result<(), ApiError> {
    AnsiTransactionManager::begin_transaction_sql(connection, BEGIN).await?;
    Ok(prepare_snapshot(connection, source).await?)
}

async fn end_snapshot(connection: &mut AsyncPgConnection) -> Result<(), ApiError> {
    Ok(AnsiTransactionManager::commit_transaction(connection).await?)
}

async fn prepare_snapshots(connection: &mut AsyncPgConnection) -> Result<(), ApiError> {
    for source in Source::ALL {
        prepare_snapshot(connection, source).await?;
    }
    Ok(())
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
        begin_snapshot(connection, Source::Heartbeats).await?;
        let rows = match reader.find(connection, device).await {
            Ok(device) => {
                let rows = store::list_heartbeats(connection, &device, (range, query.order), page.fetch_limit());
                rows.await.map_err(ApiError::from)
            }
            Err(error) => Err(error),
        };
        end_snapshot(connection).await.and(rows)
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
        begin_snapshot(connection, Source::Readings).await?;
        let rows = match reader.find(connection, device).await {
            Ok(device) => {
                let rows = store::list_readings(connection, &device, (range, query.order), page.fetch_limit());
                rows.await.map_err(ApiError::from)
            }
            Err(error) => Err(error),
        };
        end_snapshot(connection).await.and(rows)
    })
    .await
}

/// Points in the order that was asked for, and their step; no step where there are none.
pub async fn list_points(
    db: &HeavyDb,
    reader: Reader,
    device: DeviceId,
    query: &PointsQuery,
) -> Result<(Option<Step>, Vec<Point>), ApiError> {
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
) -> Result<(Option<Step>, Vec<Point>), ApiError> {
    let measures = &query.measures;
    prepare_snapshot(connection, measures.source).await?;
    let scope = Scope::Device(reader.find(connection, device).await?.id);
    let bounds = load_bounds(connection, measures.source, scope, query.range).await?;
    let Some(range) = bounds.clip(query.range) else { return Ok((None, Vec::new())) };
    let step = query.aggregation.step(range, query.max_points);
    let buckets = Buckets::new(step, query.zone, range, measures.max_points())
        .map_err(|error| ApiError::field("aggregation", "too_many_points", error))?;
    let (from, to) = (range.from, range.to + TimeDelta::microseconds(1));
    let aggregate = AggregateQuery { scope, measures, buckets: &buckets, per_device: false, from, to };
    Ok((Some(step), load_points(connection, &aggregate, &bounds).await?))
}
