//! Devices' credentials in PostgreSQL.

use crate::ids::{CredentialId, UserId};
use crate::schema::{device_credentials as credentials, devices, users};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use crate::auth::secret::SecretHash;

/// A credential, without its hash.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = credentials)]
pub struct CredentialRow {
    pub id: CredentialId,
    pub created_at: DateTime<Utc>,
    /// When it ends, where it has been replaced.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What a device's sign-in is checked against.
#[derive(Queryable)]
pub struct SecretRow {
    pub id: CredentialId,
    /// SHA-256 of its secret.
    pub secret_hash: Vec<u8>,
    /// When it ends, where it has been replaced.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whose the device is.
    pub owner_id: UserId,
}

/// Adds a credential to a device.
pub async fn insert_credential(
    connection: &mut AsyncPgConnection,
    id: CredentialId,
    device: DeviceId,
    hash: &SecretHash,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (
        credentials::id.eq(id),
        credentials::device_id.eq(device),
        credentials::secret_hash.eq(hash.as_bytes()),
        credentials::created_at.eq(now),
    );
    diesel::insert_into(credentials::table).values(row).execute(connection).await.map(|_| ())
}

/// The valid credentials of a device, oldest first.
pub async fn list_live(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<CredentialRow>> {
    let live = credentials::expires_at.is_null().or(credentials::expires_at.gt(now));
    let query = credentials::table.filter(credentials::device_id.eq(device)).filter(live);
    query.order(credentials::id).select(CredentialRow::as_select()).load(connection).await
}

/// The hashes of a device's valid secrets.
pub async fn list_live_secrets(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<SecretRow>> {
    let live = credentials::expires_at.is_null().or(credentials::expires_at.gt(now));
    let of_device = credentials::table.filter(credentials::device_id.eq(device)).filter(live);
    // Devices of an owner who is gone are deleted soon.
    let with_owner = of_device.inner_join(devices::table.inner_join(users::table));
    let columns = (credentials::id, credentials::secret_hash, credentials::expires_at, devices::owner_id);
    with_owner.select(columns).load(connection).await
}

/// Every credential of some devices.
pub async fn list_ids(connection: &mut AsyncPgConnection, devices: &[DeviceId]) -> QueryResult<Vec<CredentialId>> {
    let query = credentials::table.filter(credentials::device_id.eq_any(devices));
    query.select(credentials::id).load(connection).await
}

/// Lets those of a device's credentials that would live longer end at `expires_at`; returns which.
pub async fn expire_all(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    expires_at: DateTime<Utc>,
) -> QueryResult<Vec<CredentialId>> {
    let longer = credentials::expires_at.is_null().or(credentials::expires_at.gt(expires_at));
    let longer = credentials::table.filter(credentials::device_id.eq(device)).filter(longer);
    let expire = diesel::update(longer).set(credentials::expires_at.eq(expires_at));
    expire.returning(credentials::id).get_results(connection).await
}

/// Deletes a device's credentials that have ended.
pub async fn delete_expired(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let ended = credentials::table.filter(credentials::device_id.eq(device)).filter(credentials::expires_at.le(now));
    diesel::delete(ended).execute(connection).await.map(|_| ())
}

/// Deletes a credential of a device; returns whether it existed.
pub async fn delete_credential(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    id: CredentialId,
) -> QueryResult<bool> {
    let credential = credentials::table.find(id).filter(credentials::device_id.eq(device));
    diesel::delete(credential).execute(connection).await.map(|rows| rows == 1)
}
