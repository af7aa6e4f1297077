//! Devices that were bought: registered for their buyer when they are shipped.

use crate::ids::UserId;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use pulso_shared::ids::DeviceId;

use super::spans::OfflineAfter;
use super::store::{self, NewDeviceRow};
use super::types::IngestAuth;

/// Rows a statement: 11 columns of a thousand rows are well within the 65,535 values one may have.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Registers `count` devices of one name for an owner, in the caller's transaction; of several, each has its number
/// behind its name. They have no secret yet: the owner makes one when a device is put to use.
///
/// # Errors
/// The database's. The caller keeps the owner's account from being deleted.
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
