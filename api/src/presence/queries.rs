//! Who is online, and who was when.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;

use super::store::{self, PresenceRow};
use super::types::{Asked, HealthResponse, PresenceStatus, TimelineResponse};
use crate::http::error::ApiError;
use crate::http::extract::page::{Page, TimeCursor};
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// What decides who is online at `now`; to be read before the devices are.
pub async fn availability(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<IngestAvailability> {
    Ok(store::find_availability(connection).await?.at(now))
}

/// The status of each of `owner`'s devices, oldest device first.
pub async fn list_health(db: &HeavyDb, owner: UserId, now: DateTime<Utc>) -> Result<Vec<HealthResponse>, ApiError> {
    db.run(async |connection| {
        let availability = availability(connection, now).await?;
        let rows = store::list_by_owner(connection, owner).await?;
        Ok(rows.into_iter().map(|row| health(row, &availability)).collect())
    })
    .await
}

/// The status of the device `id`, if it is one of `owner`'s.
pub async fn find_health(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<Option<HealthResponse>> {
    let availability = availability(connection, now).await?;
    let row = store::find_by_owner(connection, owner, id).await?;
    Ok(row.map(|row| health(row, &availability)))
}

/// A page of a device's timeline, and where the next page begins, if there is one.
pub async fn find_timeline(
    db: &HeavyDb,
    clock: Clock,
    owner: UserId,
    id: DeviceId,
    asked: Asked,
    page: Page<TimeCursor>,
) -> Result<(TimelineResponse, Option<TimeCursor>), ApiError> {
    db.run(async |connection| read_timeline(connection, clock, (owner, id), asked, page).await).await
}

async fn read_timeline(
    connection: &mut AsyncPgConnection,
    clock: Clock,
    (owner, id): (UserId, DeviceId),
    asked: Asked,
    page: Page<TimeCursor>,
) -> Result<(TimelineResponse, Option<TimeCursor>), ApiError> {
    let (available, now) = (store::find_availability(connection).await?, clock.now());
    let device = store::find_timeline_device(connection, owner, id).await?;
    let device = device.ok_or(ApiError::NotFound("device"))?;
    let range = asked.within(device.created_at, available.stored_through.map_or(now, |through| through.min(now)));
    let before = page.after.map(|TimeCursor(at)| at);
    let mut changes = store::list_changes(connection, id, range, before, page.fetch_limit()).await?;
    let uptime = store::sum_uptime(connection, id, range).await?;
    let has_more = changes.len() > usize::from(page.limit);
    changes.truncate(page.limit.into());
    let next = if has_more { changes.last().map(|last| TimeCursor(last.at)) } else { None };
    let status = PresenceStatus::of(&available.at(now), device.last_seen_at, device.offline_after_s);
    let (start, end) = (range.start, range.end);
    Ok((TimelineResponse { device_id: id, status, start, end, uptime, changes }, next))
}

fn health(row: PresenceRow, availability: &IngestAvailability) -> HealthResponse {
    HealthResponse {
        server_ulid: row.id,
        server_name: row.name,
        status: PresenceStatus::of(availability, row.last_seen_at, row.offline_after_s),
        last_seen_at: row.last_seen_at,
    }
}
