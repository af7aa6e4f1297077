//! Servers as they are shown.

use diesel_async::AsyncPgConnection;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;

use super::super::store::{self, DeviceFilter, DeviceRow};
use super::super::types::NO_DEVICE;
use super::types::ServerResponse;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// A server; any other device does not exist here.
pub async fn find(db: &DbPool, owner: UserId, id: DeviceId) -> Result<DeviceRow, ApiError> {
    let row = store::find_device(&mut *db.get().await?, owner, id).await?;
    row.filter(|row| row.is_server).ok_or(NO_DEVICE)
}

/// A page of servers, oldest first.
pub async fn list(
    db: &HeavyDb,
    clock: &Clock,
    owner: UserId,
    page: &Page<DeviceId>,
) -> Result<Vec<ServerResponse>, ApiError> {
    let filter = DeviceFilter { only_servers: true, ..DeviceFilter::default() };
    // The filter asks for no status, so what could be received does not matter.
    let availability = IngestAvailability::as_of(clock.now(), Vec::new());
    let list = async |connection: &mut AsyncPgConnection| {
        Ok(store::list_devices(connection, owner, &filter, page.after, page.fetch_limit(), &availability).await?)
    };
    let rows = db.run(list).await?;
    Ok(rows.into_iter().map(ServerResponse::from).collect())
}

impl From<DeviceRow> for ServerResponse {
    fn from(row: DeviceRow) -> Self {
        Self { server_ulid: row.id, server_name: row.name }
    }
}
