//! Devices: registered, changed, deleted.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;
use pulso_shared::ids::{DeviceId, Uuid};
use pulso_shared::presence::IngestAvailability;

use super::credentials::commands as credentials;
use super::credentials::store as credential_store;
use super::credentials::types::NewCredentialResponse;
use super::kind::{DeviceKind, IngestAuth};
use super::limits::DeviceLimits;
use super::offline_after::OfflineAfter;
use super::queries;
use super::registry::DeviceRegistry;
use super::serial_number::SerialNumber;
use super::store::{self, DeviceChangeset, NewDeviceRow};
use super::types::{Description, DeviceChanges, DeviceResponse, DeviceSettings, Label, Location, NO_DEVICE};
use crate::auth::{Auth, revocations};
use crate::config::AuthConfig;
use crate::db::DbPool;
use crate::http::error::{ApiError, violates};
use crate::http::extract::etag::IfMatch;
use crate::ids::{CredentialId, UserId};

/// Rows a statement: 11 columns of a thousand rows are well within the 65,535 values one may have.
const ROWS_PER_STATEMENT: usize = 1_000;

/// What a PUT or a PATCH asks for.
pub enum Change {
    /// All of it; what is left out gets its default.
    Replace(DeviceSettings),
    /// Some of it.
    Update(DeviceChanges),
}

/// Registers a device, with its first secret.
pub async fn register(
    db: &DbPool,
    clock: &Clock,
    limits: DeviceLimits,
    owner: UserId,
    settings: &DeviceSettings,
) -> Result<(DeviceResponse, NewCredentialResponse), ApiError> {
    limits.check(settings.offline_after)?;
    let (id, now) = (DeviceId::generate(), clock.now());
    let mut connection = db.get().await?;
    let registered = connection.transaction(async |connection| {
        limits.reserve(connection, owner, 1).await?;
        insert(connection, id, owner, DeviceKind::Device, settings, now).await.map_err(device_error)?;
        Ok::<_, ApiError>(credentials::add(connection, id, now).await?)
    });
    let credential = registered.await?;
    let device = store::find_device(&mut connection, owner, id).await?.ok_or(NO_DEVICE)?;
    Ok((queries::to_response(device, None, &IngestAvailability::as_of(now, Vec::new())), credential))
}

/// Writes a device of `kind`, in the caller's transaction, which has locked the owner.
pub async fn insert(
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
pub async fn change(
    db: &DbPool,
    clock: &Clock,
    registry: &DeviceRegistry,
    limits: DeviceLimits,
    (owner, id): (UserId, DeviceId),
    if_match: &IfMatch,
    change: Change,
) -> Result<DeviceResponse, ApiError> {
    limits.check(match &change {
        Change::Replace(settings) => settings.offline_after,
        Change::Update(changes) => changes.offline_after,
    })?;
    let mut connection = db.get().await?;
    let now = clock.now();
    let changed = connection.transaction(async |connection| apply(connection, owner, id, if_match, change, now).await);
    let taken_away = changed.await?;
    drop(connection);
    registry.forget(id).await;
    if let Some(serial_number) = taken_away {
        registry.forget_serial_number(owner, id, serial_number).await;
    }
    queries::find(db, clock, owner, id).await
}

/// Returns the serial number that the device has no longer.
async fn apply(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
    if_match: &IfMatch,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Option<String>, ApiError> {
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
        return Ok(None);
    }
    // Each version has its own instant, also on a clock that was set back.
    let updated_at = now.max(before.updated_at + TimeDelta::microseconds(1));
    store::update_device(connection, id, &changeset(&changes, updated_at)).await.map_err(device_error)?;
    let Some(new) = &changes.serial_number else { return Ok(None) };
    let new = new.as_ref().map(SerialNumber::as_str);
    Ok(before.serial_number.filter(|old| new != Some(old.as_str())))
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

/// Registers `count` bought devices of one name for an owner whom the caller keeps from being deleted, in the caller's
/// transaction; of several, each has its number behind its name. They have no secret yet: the owner makes one when a
/// device is put to use.
pub async fn register_bought(
    connection: &mut AsyncPgConnection,
    owner_id: UserId,
    name: &str,
    description: &str,
    count: i32,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let numbered = |number| if count == 1 { name.to_owned() } else { format!("{name} {number}") };
    let names: Vec<_> = (1..=count).map(numbered).collect();
    for names in names.chunks(ROWS_PER_STATEMENT) {
        let row = |name| NewDeviceRow {
            id: DeviceId::generate(),
            owner_id,
            name,
            location: None,
            serial_number: None,
            description: Some(description),
            ingest_auth: IngestAuth::Token.as_str(),
            offline_after_s: OfflineAfter::DEVICE.as_secs(),
            is_server: false,
            created_at: now,
            updated_at: now,
        };
        let rows: Vec<_> = names.iter().map(|name| row(name.as_str())).collect();
        store::insert_devices(connection, &rows).await?;
    }
    Ok(())
}

/// Deletes a device with all that it ever sent; with `only_servers`, any other device does not exist.
pub async fn delete(
    db: &DbPool,
    auth: &Auth,
    registry: &DeviceRegistry,
    owner: UserId,
    id: DeviceId,
    only_servers: bool,
) -> Result<(), ApiError> {
    let now = auth.clock.now();
    let mut connection = db.get().await?;
    let deleted = connection.transaction(async |connection| {
        let device = store::lock_device(connection, owner, id).await?.ok_or(NO_DEVICE)?;
        if only_servers && !device.is_server {
            return Err(NO_DEVICE);
        }
        Ok(delete_all(connection, vec![id], &auth.config, now).await?)
    });
    announce_deleted(auth, registry, &deleted.await?).await;
    Ok(())
}

/// Devices that were deleted in a transaction; for [`announce_deleted`] once it has committed.
struct DeletedDevices {
    ids: Vec<DeviceId>,
    subjects: Vec<Uuid>,
}

async fn delete_all(
    connection: &mut AsyncPgConnection,
    ids: Vec<DeviceId>,
    config: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<DeletedDevices> {
    let credentials = credential_store::list_ids(connection, &ids).await?;
    let devices = ids.iter().map(|id| id.as_uuid());
    let subjects: Vec<_> = devices.chain(credentials.into_iter().map(CredentialId::as_uuid)).collect();
    store::delete_devices(connection, &ids).await?;
    revocations::insert(connection, &subjects, now, credentials::keep_for(config)).await?;
    Ok(DeletedDevices { ids, subjects })
}

/// Ends the tokens of deleted devices, and removes them from the registry.
async fn announce_deleted(auth: &Auth, registry: &DeviceRegistry, deleted: &DeletedDevices) {
    auth.announce_revoked(&deleted.subjects, credentials::keep_for(&auth.config)).await;
    for id in &deleted.ids {
        registry.forget(*id).await;
    }
}

/// The response for a violated constraint.
pub fn device_error(error: DieselError) -> ApiError {
    if violates(&error, "devices_owner_id_serial_number_key") {
        ApiError::Conflict("Another device of yours has this serial number.")
    } else {
        error.into()
    }
}
