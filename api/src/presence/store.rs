//! The queries.

use crate::ids::UserId;
use crate::schema::{device_state, device_status_changes, devices};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Double, Nullable, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::{IngestAvailability, OutageWindow};

use super::types::{ChangeReason, PresenceStatus, Range, StatusChange, Uptime};

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

/// When Pulso could take data in, so far.
#[derive(Debug, QueryableByName)]
pub struct AvailabilityRow {
    /// Everything received up to then is stored.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub stored_through: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Timestamptz>)]
    outages_from: Vec<DateTime<Utc>>,
    #[diesel(sql_type = Array<Timestamptz>)]
    outages_until: Vec<DateTime<Utc>>,
}

impl AvailabilityRow {
    /// As the presence rule needs it at `now`.
    pub fn at(self, now: DateTime<Utc>) -> IngestAvailability {
        let windows = self.outages_from.into_iter().zip(self.outages_until);
        let outages = windows.map(|(from, until)| OutageWindow { from, until }).collect();
        IngestAvailability::now(now, self.stored_through, outages)
    }
}

pub async fn find_availability(connection: &mut AsyncPgConnection) -> QueryResult<AvailabilityRow> {
    let sql = "SELECT stored_through, outages_from, outages_until FROM ingest_availability()";
    sql_query(sql).get_result(connection).await
}

/// Whether the database answers.
pub async fn ping(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    sql_query("SELECT 1").execute(connection).await.map(|_| ())
}

/// Marks a replica's run as ended in order: nobody has to move away from it any more.
pub async fn end_run(
    connection: &mut AsyncPgConnection,
    replica: pulso_shared::ids::Uuid,
    since: DateTime<Utc>,
) -> QueryResult<()> {
    let sql = "UPDATE availability_runs SET has_left = true WHERE replica_id = $1 AND available_since = $2";
    let query = sql_query(sql).bind::<Uuid, _>(replica).bind::<Timestamptz, _>(since);
    query.execute(connection).await.map(|_| ())
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
pub async fn list_by_owner(connection: &mut AsyncPgConnection, owner: UserId) -> QueryResult<Vec<PresenceRow>> {
    presence().filter(devices::owner_id.eq(owner)).order(devices::id).load(connection).await
}

/// The device `id`, if it is one of `owner`'s.
pub async fn find_by_owner(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
) -> QueryResult<Option<PresenceRow>> {
    presence().filter(devices::owner_id.eq(owner)).filter(devices::id.eq(id)).first(connection).await.optional()
}

/// What a timeline needs to know of its device.
#[derive(Debug, Queryable)]
pub struct TimelineDevice {
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// How old its newest data may be, s.
    pub offline_after_s: i32,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The device `id`, if it is one of `owner`'s.
pub async fn find_timeline_device(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
) -> QueryResult<Option<TimelineDevice>> {
    let columns = (devices::created_at, devices::offline_after_s, device_state::last_seen_at.nullable());
    let query = devices::table.left_join(device_state::table).filter(devices::owner_id.eq(owner));
    query.filter(devices::id.eq(id)).select(columns).first(connection).await.optional()
}

/// A change as the worker has written it.
#[derive(Debug, Queryable)]
struct ChangeRow {
    at: DateTime<Utc>,
    status: String,
    decided_at: DateTime<Utc>,
    reason: String,
}

impl From<ChangeRow> for StatusChange {
    fn from(row: ChangeRow) -> Self {
        // The columns hold nothing else: their CHECKs say so.
        let status = if row.status == "online" { PresenceStatus::Online } else { PresenceStatus::Offline };
        let reason = match row.reason.as_str() {
            "data" => ChangeReason::Data,
            "silence" => ChangeReason::Silence,
            _ => ChangeReason::SilenceAfterOutage,
        };
        Self { at: row.at, status, decided_at: row.decided_at, reason }
    }
}

/// At most `limit` changes of a range, newest first, from before `before` on.
pub async fn list_changes(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    range: Range,
    before: Option<DateTime<Utc>>,
    limit: i64,
) -> QueryResult<Vec<StatusChange>> {
    let changes = device_status_changes::table
        .filter(device_status_changes::device_id.eq(device))
        .filter(device_status_changes::at.between(range.start, range.end));
    let mut changes = changes.order(device_status_changes::at.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        changes = changes.filter(device_status_changes::at.lt(before));
    }
    let columns = (
        device_status_changes::at,
        device_status_changes::status,
        device_status_changes::decided_at,
        device_status_changes::reason,
    );
    let rows: Vec<ChangeRow> = changes.select(columns).load(connection).await?;
    Ok(rows.into_iter().map(StatusChange::from).collect())
}

#[derive(QueryableByName)]
struct UptimeRow {
    #[diesel(sql_type = Double)]
    online_s: f64,
    #[diesel(sql_type = Double)]
    offline_s: f64,
    #[diesel(sql_type = Double)]
    unknown_s: f64,
}

/// How long the device was there in a range.
pub async fn sum_uptime(connection: &mut AsyncPgConnection, device: DeviceId, range: Range) -> QueryResult<Uptime> {
    let query = sql_query(include_str!("uptime.sql"))
        .bind::<Uuid, _>(device)
        .bind::<Timestamptz, _>(range.start)
        .bind::<Timestamptz, _>(range.end);
    let UptimeRow { online_s, offline_s, unknown_s } = query.get_result(connection).await?;
    Ok(Uptime::new(online_s, offline_s, unknown_s))
}
