//! Devices: registered and changed.

use crate::ids::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;

use super::answer::{DeviceResponse, NewCredentialResponse, ServerResponse};
use super::spans::OfflineAfter;
use super::store::{DeviceChangeset, NewDeviceRow};
use super::types::{Description, DeviceChanges, DeviceKind, DeviceSettings, IngestAuth, Label, Location, SerialNumber};
use super::{NO_DEVICE, credentials, store, views};
use crate::auth::caller::ACCOUNT_GONE;
use crate::http::error::{ApiError, violates};
use crate::http::extract::etag::IfMatch;
use crate::state::AppState;

/// What a PUT or a PATCH asks for.
pub enum Change {
    /// Everything anew; what is left out gets its default.
    Replace(DeviceSettings),
    /// Some of it.
    Update(DeviceChanges),
}

/// Registers a device, with its first secret.
///
/// # Errors
/// 409 when its serial number is taken.
pub async fn register(
    state: &AppState,
    owner: UserId,
    settings: &DeviceSettings,
) -> Result<(DeviceResponse, NewCredentialResponse), ApiError> {
    let (id, now) = (DeviceId::generate(), state.clock.now());
    let mut connection = state.db.get().await?;
    let registered = connection.transaction(async |connection| {
        insert(connection, id, owner, DeviceKind::Device, settings, now).await?;
        credentials::add(connection, id, now).await
    });
    let credential = registered.await.map_err(device_error)?;
    let device = store::find_device(&mut connection, owner, id).await?.ok_or(NO_DEVICE)?;
    Ok((DeviceResponse::new(device, None, &IngestAvailability::as_of(now, Vec::new())), credential))
}

/// Registers a server. It needs no secret, so it gets none.
///
/// # Errors
/// The database's.
pub async fn register_server(state: &AppState, owner: UserId, name: Label) -> Result<ServerResponse, ApiError> {
    let (id, now) = (DeviceId::generate(), state.clock.now());
    let settings = DeviceSettings {
        name,
        location: None,
        serial_number: None,
        description: None,
        ingest_auth: None,
        offline_after: None,
    };
    let mut connection = state.db.get().await?;
    let registered = connection
        .transaction(async |connection| insert(connection, id, owner, DeviceKind::Server, &settings, now).await);
    registered.await.map_err(device_error)?;
    Ok(ServerResponse::new(id, &settings.name))
}

async fn insert(
    connection: &mut AsyncPgConnection,
    id: DeviceId,
    owner_id: UserId,
    kind: DeviceKind,
    settings: &DeviceSettings,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = NewDeviceRow {
        id,
        owner_id,
        name: settings.name.as_str(),
        location: settings.location.as_ref().map(Location::as_str),
        serial_number: settings.serial_number.as_ref().map(SerialNumber::as_str),
        description: settings.description.as_ref().map(Description::as_str),
        // At registration the kind decides; its owner can change it afterwards.
        ingest_auth: kind.default_ingest_auth().as_str(),
        offline_after_s: settings.offline_after.unwrap_or(kind.default_offline_after()).as_secs(),
        is_server: kind == DeviceKind::Server,
        created_at: now,
        updated_at: now,
    };
    store::insert_device(connection, &row).await
}

/// Changes a device.
///
/// # Errors
/// 404, 409 when its serial number is taken, 412 for another version.
pub async fn change(
    state: &AppState,
    owner: UserId,
    id: DeviceId,
    if_match: &IfMatch,
    change: Change,
) -> Result<DeviceResponse, ApiError> {
    let mut connection = state.db.get().await?;
    let now = state.clock.now();
    let changed = connection.transaction(async |connection| apply(connection, owner, id, if_match, change, now).await);
    changed.await?;
    drop(connection);
    state.devices.forget(id).await;
    views::find(state, owner, id).await
}

async fn apply(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
    if_match: &IfMatch,
    change: Change,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let before = store::lock_device(connection, owner, id).await?.ok_or(NO_DEVICE)?;
    if_match.check(before.updated_at)?;
    let changes = match change {
        Change::Update(changes) => changes,
        Change::Replace(settings) => {
            let kind = if before.is_server { DeviceKind::Server } else { DeviceKind::Device };
            DeviceChanges::replace_by(settings, kind)
        }
    };
    if changes == DeviceChanges::default() {
        return Ok(());
    }
    // Each version has its own instant, also on a clock that was set back.
    let updated_at = now.max(before.updated_at + TimeDelta::microseconds(1));
    store::update_device(connection, id, &changeset(&changes, updated_at)).await.map_err(device_error)
}

fn changeset(changes: &DeviceChanges, updated_at: DateTime<Utc>) -> DeviceChangeset<'_> {
    DeviceChangeset {
        name: changes.name.as_ref().map(Label::as_str),
        location: changes.location.as_ref().map(|location| location.as_ref().map(Location::as_str)),
        serial_number: changes.serial_number.as_ref().map(|number| number.as_ref().map(SerialNumber::as_str)),
        description: changes.description.as_ref().map(|text| text.as_ref().map(Description::as_str)),
        ingest_auth: changes.ingest_auth.map(IngestAuth::as_str),
        offline_after_s: changes.offline_after.map(OfflineAfter::as_secs),
        updated_at,
    }
}

/// What an insert or an update was refused for, as an answer.
pub fn device_error(error: DieselError) -> ApiError {
    if violates(&error, "devices_owner_id_serial_number_key") {
        ApiError::Conflict("Another device of yours has this serial number.")
    } else if violates(&error, "devices_owner_id_fkey") {
        ACCOUNT_GONE
    } else {
        error.into()
    }
}
