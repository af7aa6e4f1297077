//! Devices as they are now: what their owner says of them, and the newest of what they sent.

use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;

use super::kind::IngestAuth;
use super::store::{self, DeviceFilter, DeviceRow};
use super::types::{DeviceResponse, NO_DEVICE};
use crate::db::DbPool;
use crate::history::{self, Latest};
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::UserId;
use crate::presence::{self, PresenceStatus};
use crate::rate_limit::HeavyDb;

/// A device as it is now.
pub async fn find(db: &DbPool, clock: &Clock, owner: UserId, id: DeviceId) -> Result<DeviceResponse, ApiError> {
    let mut connection = db.get().await?;
    let availability = presence::availability(&mut connection, clock.now()).await?;
    let device = store::find_device(&mut connection, owner, id).await?.ok_or(NO_DEVICE)?;
    let latest = history::list_latest(&mut connection, &[id]).await?.remove(&id);
    Ok(to_response(device, latest, &availability))
}

/// A page of devices as they are now.
pub async fn list(
    db: &HeavyDb,
    clock: &Clock,
    owner: UserId,
    filter: &DeviceFilter,
    page: &Page<DeviceId>,
) -> Result<Vec<DeviceResponse>, ApiError> {
    db.run(async |connection| {
        let availability = presence::availability(connection, clock.now()).await?;
        let rows =
            store::list_devices(connection, owner, filter, page.after, page.fetch_limit(), &availability).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let mut latest = history::list_latest(connection, &ids).await?;
        let mut respond = |row: DeviceRow| {
            let latest = latest.remove(&row.id);
            to_response(row, latest, &availability)
        };
        Ok(rows.into_iter().map(&mut respond).collect())
    })
    .await
}

/// A device as it is shown, its status judged by what could be received.
pub fn to_response(row: DeviceRow, latest: Option<Latest>, availability: &IngestAvailability) -> DeviceResponse {
    DeviceResponse {
        id: row.id,
        uuid: row.id.as_uuid(),
        name: row.name,
        location: row.location,
        sn: row.serial_number,
        description: row.description,
        ingest_auth: IngestAuth::from_open(row.is_open),
        offline_after_s: row.offline_after_s,
        status: PresenceStatus::of(availability, row.last_seen_at, row.offline_after_s),
        last_seen_at: row.last_seen_at,
        latest,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
