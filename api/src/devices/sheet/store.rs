//! Many devices in PostgreSQL at once.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Bytea, Int4, Nullable, Text, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use super::super::kind::DeviceKind;
use super::types::SheetRow;
use crate::auth::secret::SecretHash;
use crate::ids::{CredentialId, UserId};
use crate::schema::devices;

/// A device to be written, with its first secret.
pub struct NewRow {
    pub id: DeviceId,
    pub row: SheetRow,
    pub credential_id: CredentialId,
    pub secret_hash: SecretHash,
}

/// A device as it is exported.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = devices, check_for_backend(diesel::pg::Pg))]
pub struct ExportedRow {
    pub id: DeviceId,
    pub name: String,
    pub location: Option<String>,
    pub serial_number: Option<String>,
    pub description: Option<String>,
}

/// Writes devices of `owner`, all or none. A serial number that is taken violates
/// `devices_owner_id_serial_number_key`, an owner who is gone `devices_owner_id_fkey`.
pub async fn insert_devices(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    rows: &[NewRow],
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let texts = |text: fn(&SheetRow) -> Option<&str>| rows.iter().map(|new| text(&new.row)).collect::<Vec<_>>();
    sql_query(include_str!("insert_devices.sql"))
        .bind::<Uuid, _>(owner)
        .bind::<Timestamptz, _>(now)
        .bind::<Array<Uuid>, _>(rows.iter().map(|new| new.id).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(texts(|row| Some(row.name.as_str())))
        .bind::<Array<Nullable<Text>>, _>(texts(|row| Some(row.location.as_ref()?.as_str())))
        .bind::<Array<Nullable<Text>>, _>(texts(|row| Some(row.serial_number.as_ref()?.as_str())))
        .bind::<Array<Nullable<Text>>, _>(texts(|row| Some(row.description.as_ref()?.as_str())))
        .bind::<Array<Uuid>, _>(rows.iter().map(|new| new.credential_id).collect::<Vec<_>>())
        .bind::<Array<Bytea>, _>(rows.iter().map(|new| new.secret_hash.as_bytes()).collect::<Vec<_>>())
        .bind::<Text, _>(DeviceKind::Device.default_ingest_auth().as_str())
        .bind::<Int4, _>(DeviceKind::Device.default_offline_after().as_secs())
        .execute(connection)
        .await
}

/// Which of these serial numbers `owner`'s devices have already.
pub async fn list_taken(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    serial_numbers: &[&str],
) -> QueryResult<Vec<String>> {
    let taken = devices::table.filter(devices::owner_id.eq(owner));
    let taken = taken.filter(devices::serial_number.eq_any(serial_numbers));
    taken.select(devices::serial_number.assume_not_null()).load(connection).await
}

/// At most `limit` of an owner's devices after `after`, oldest first.
pub async fn list_page(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    after: Option<DeviceId>,
    limit: i64,
) -> QueryResult<Vec<ExportedRow>> {
    let page = devices::table.filter(devices::owner_id.eq(owner)).order(devices::id).limit(limit);
    let page = page.select(ExportedRow::as_select()).into_boxed();
    match after {
        Some(after) => page.filter(devices::id.gt(after)).load(connection).await,
        None => page.load(connection).await,
    }
}
