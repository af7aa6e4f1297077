//! Servers, registered.

use diesel_async::AsyncConnection;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;

use super::super::commands as devices;
use super::super::kind::DeviceKind;
use super::super::quota::DeviceQuota;
use super::super::types::{DeviceSettings, Label};
use super::types::ServerResponse;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::UserId;

/// Registers a server. It needs no secret, so it gets none.
pub async fn register(
    db: &DbPool,
    clock: &Clock,
    quota: DeviceQuota,
    owner: UserId,
    name: Label,
) -> Result<ServerResponse, ApiError> {
    let (id, now) = (DeviceId::generate(), clock.now());
    let settings = DeviceSettings {
        name,
        location: None,
        serial_number: None,
        description: None,
        ingest_auth: None,
        offline_after: None,
    };
    let mut connection = db.get().await?;
    let registered = connection.transaction(async |connection| {
        quota.reserve(connection, owner, 1).await?;
        devices::insert(connection, id, owner, DeviceKind::Server, &settings, now).await.map_err(devices::device_error)
    });
    registered.await?;
    Ok(ServerResponse { server_ulid: id, server_name: settings.name.as_str().to_owned() })
}
