//! The timeline's queries.

use crate::ids::UserId;
use crate::schema::{device_state, device_status_changes, devices};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Double, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use super::timeline_types::{ChangeReason, Range, StatusChange, Uptime};
use super::types::PresenceStatus;

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
///
/// # Errors
/// When the database is away.
pub async fn find_device(
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
///
/// # Errors
/// When the database is away.
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
///
/// # Errors
/// When the database is away.
pub async fn sum_uptime(connection: &mut AsyncPgConnection, device: DeviceId, range: Range) -> QueryResult<Uptime> {
    let query = sql_query(include_str!("uptime.sql"))
        .bind::<Uuid, _>(device)
        .bind::<Timestamptz, _>(range.start)
        .bind::<Timestamptz, _>(range.end);
    let UptimeRow { online_s, offline_s, unknown_s } = query.get_result(connection).await?;
    Ok(Uptime::new(online_s, offline_s, unknown_s))
}
