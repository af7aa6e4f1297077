//! The queries.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::{DeviceId, UserId};
use pulso_shared::presence::{IngestAvailability, OutageWindow};
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

/// What could be heard.
#[derive(Debug, QueryableByName)]
pub struct HeardRow {
    /// Everything received up to then is stored.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub stored_through: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Timestamptz>)]
    outages_from: Vec<DateTime<Utc>>,
    #[diesel(sql_type = Array<Timestamptz>)]
    outages_until: Vec<DateTime<Utc>>,
}

impl HeardRow {
    /// What it means for whoever asks now.
    #[must_use]
    pub fn at(self, now: DateTime<Utc>) -> IngestAvailability {
        let spans = self.outages_from.into_iter().zip(self.outages_until);
        let deaf = spans.map(|(from, until)| OutageWindow { from, until }).collect();
        IngestAvailability::now(now, self.stored_through, deaf)
    }
}

/// What could be heard so far.
///
/// # Errors
/// When the database is away.
pub async fn find_hearing(connection: &mut AsyncPgConnection) -> QueryResult<HeardRow> {
    sql_query("SELECT stored_through, outages_from, outages_until FROM ingest_availability()")
        .get_result(connection)
        .await
}

/// What decides who is there at `now`; to be asked before the devices are read.
///
/// # Errors
/// When the database is away.
pub async fn hearing(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<IngestAvailability> {
    Ok(find_hearing(connection).await?.at(now))
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
