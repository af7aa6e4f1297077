//! The queries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::{DeviceId, UserId};
use pulso_shared::schema::{device_state, devices};

/// What is known of a device's presence.
#[derive(Debug, Queryable)]
pub struct PresenceRow {
    /// The device.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// How old its newest data may be, s.
    pub offline_after_s: i32,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
}

#[diesel::dsl::auto_type]
fn presence() -> _ {
    devices::table.left_join(device_state::table).select((
        devices::id,
        devices::name,
        devices::offline_after_s,
        device_state::last_seen_at.nullable(),
    ))
}

/// All devices of `owner`, oldest first.
///
/// # Errors
/// When the database is away.
pub async fn list_by_owner(connection: &mut AsyncPgConnection, owner: UserId) -> QueryResult<Vec<PresenceRow>> {
    presence().filter(devices::owner_id.eq(owner)).order(devices::id).load(connection).await
}

/// The device `id`, if it is one of `owner`'s.
///
/// # Errors
/// When the database is away.
pub async fn find_by_owner(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
) -> QueryResult<Option<PresenceRow>> {
    presence().filter(devices::owner_id.eq(owner)).filter(devices::id.eq(id)).first(connection).await.optional()
}
