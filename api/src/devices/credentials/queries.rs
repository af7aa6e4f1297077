//! Credentials as they are shown.

use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;

use super::super::store as devices;
use super::super::types::NO_DEVICE;
use super::store::{self, CredentialRow};
use super::types::CredentialResponse;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::UserId;

/// The valid secrets of a device, oldest first.
pub async fn list(
    db: &DbPool,
    clock: &Clock,
    owner: UserId,
    device: DeviceId,
) -> Result<Vec<CredentialResponse>, ApiError> {
    let mut connection = db.get().await?;
    devices::find_device(&mut connection, owner, device).await?.ok_or(NO_DEVICE)?;
    let rows = store::list_live(&mut connection, device, clock.now()).await?;
    Ok(rows.into_iter().map(CredentialResponse::from).collect())
}

impl From<CredentialRow> for CredentialResponse {
    fn from(row: CredentialRow) -> Self {
        Self { credential_id: row.id, created_at: row.created_at, expires_at: row.expires_at }
    }
}
