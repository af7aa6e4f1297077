//! Devices as they are now: what their owner says of them, and what they last said themselves.

use crate::ids::UserId;
use pulso_shared::ids::DeviceId;

use super::NO_DEVICE;
use super::answer::DeviceResponse;
use super::store::{self, DeviceFilter, DeviceRow};
use crate::history;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::presence;
use crate::state::AppState;

/// A device as it is now.
///
/// # Errors
/// 404.
pub async fn find(state: &AppState, owner: UserId, id: DeviceId) -> Result<DeviceResponse, ApiError> {
    let mut connection = state.db.get().await?;
    let availability = presence::availability(&mut connection, state.clock.now()).await?;
    let device = store::find_device(&mut connection, owner, id).await?.ok_or(NO_DEVICE)?;
    let latest = history::list_latest(&mut connection, &[id]).await?.remove(&id);
    Ok(DeviceResponse::new(device, latest, &availability))
}

/// A page of devices as they are now.
///
/// # Errors
/// The database's.
pub async fn list(
    state: &AppState,
    owner: UserId,
    filter: &DeviceFilter,
    page: &Page<DeviceId>,
) -> Result<Vec<DeviceResponse>, ApiError> {
    let mut connection = state.db.get().await?;
    let availability = presence::availability(&mut connection, state.clock.now()).await?;
    let rows =
        store::list_devices(&mut connection, owner, filter, page.after, page.fetch_limit(), &availability).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut latest = history::list_latest(&mut connection, &ids).await?;
    let mut answer = |row: DeviceRow| {
        let latest = latest.remove(&row.id);
        DeviceResponse::new(row, latest, &availability)
    };
    Ok(rows.into_iter().map(&mut answer).collect())
}
