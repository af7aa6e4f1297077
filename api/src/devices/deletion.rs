//! Devices deleted: one, or all of an account that is deleted.

use crate::ids::{CredentialId, UserId};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::DeviceId;
use uuid::Uuid;

use super::{NO_DEVICE, credential_store, credentials, store};
use crate::auth::revocations;
use crate::config::AuthConfig;
use crate::http::error::ApiError;
use crate::state::AppState;

/// Deletes a device with all that it ever sent.
///
/// # Errors
/// 404; also for a device that is no server, where only servers are meant.
pub async fn delete(state: &AppState, owner: UserId, id: DeviceId, only_servers: bool) -> Result<(), ApiError> {
    let now = state.clock.now();
    let mut connection = state.db.get().await?;
    let deleted = connection.transaction(async |connection| {
        let device = store::lock_device(connection, owner, id).await?.ok_or(NO_DEVICE)?;
        if only_servers && !device.is_server {
            return Err(NO_DEVICE);
        }
        Ok(delete_all(connection, vec![id], &state.config.auth, now).await?)
    });
    announce_deleted(state, &deleted.await?).await;
    Ok(())
}

/// Devices that were deleted in a transaction; to be told to [`announce_deleted`] once it has committed.
pub struct DeletedDevices {
    ids: Vec<DeviceId>,
    subjects: Vec<Uuid>,
}

/// Deletes all devices of an owner who is locked, in the caller's transaction.
///
/// # Errors
/// The database's.
pub async fn delete_all_of(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    auth: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<DeletedDevices> {
    let ids = store::list_ids(connection, owner).await?;
    delete_all(connection, ids, auth, now).await
}

async fn delete_all(
    connection: &mut AsyncPgConnection,
    ids: Vec<DeviceId>,
    auth: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<DeletedDevices> {
    let credentials = credential_store::list_ids(connection, &ids).await?;
    let devices = ids.iter().map(|id| id.as_uuid());
    let subjects: Vec<_> = devices.chain(credentials.into_iter().map(CredentialId::as_uuid)).collect();
    store::delete_devices(connection, &ids).await?;
    revocations::insert(connection, &subjects, now, revocations::keep_for(auth.device_token_ttl_s)).await?;
    Ok(DeletedDevices { ids, subjects })
}

/// Makes everybody forget deleted devices.
pub async fn announce_deleted(state: &AppState, deleted: &DeletedDevices) {
    credentials::announce(state, &deleted.subjects).await;
    for id in &deleted.ids {
        state.devices.forget(*id).await;
    }
}
