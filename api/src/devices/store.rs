//! Devices in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;

use crate::http::extract::query::SearchText;
use crate::http::text::like_anywhere;
use crate::ids::UserId;
use crate::schema::{device_purges, device_state, devices, users};

/// A device.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = devices, check_for_backend(Pg))]
pub struct DeviceRow {
    pub id: DeviceId,
    pub name: String,
    pub location: Option<String>,
    pub serial_number: Option<String>,
    pub description: Option<String>,
    /// Whether its id is enough to send data for it.
    #[diesel(select_expression = devices::ingest_auth.eq("open"))]
    #[diesel(select_expression_type = diesel::dsl::Eq<devices::ingest_auth, &'static str>)]
    pub is_open: bool,
    pub offline_after_s: i32,
    /// Whether it was registered at `/servers`.
    pub is_server: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[diesel(select_expression = device_state::last_seen_at.nullable())]
    #[diesel(select_expression_type = diesel::dsl::Nullable<device_state::last_seen_at>)]
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// A device to be written.
#[derive(Insertable)]
#[diesel(table_name = devices)]
pub struct NewDeviceRow<'a> {
    pub id: DeviceId,
    pub owner_id: UserId,
    pub name: &'a str,
    pub location: Option<&'a str>,
    pub serial_number: Option<&'a str>,
    pub description: Option<&'a str>,
    /// `open` or `token`.
    pub ingest_auth: &'a str,
    pub offline_after_s: i32,
    /// Whether it was registered at `/servers`.
    pub is_server: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What changes of a device; `None` leaves it.
#[derive(AsChangeset)]
#[diesel(table_name = devices)]
pub struct DeviceChangeset<'a> {
    pub name: Option<&'a str>,
    pub location: Option<Option<&'a str>>,
    pub serial_number: Option<Option<&'a str>>,
    pub description: Option<Option<&'a str>>,
    /// `open` or `token`.
    pub ingest_auth: Option<&'a str>,
    pub offline_after_s: Option<i32>,
    /// Later than before.
    pub updated_at: DateTime<Utc>,
}

/// What decides whether and how a locked device may change.
#[derive(Debug, Clone, Queryable)]
pub struct LockedDevice {
    /// Whether it was registered at `/servers`.
    pub is_server: bool,
    pub serial_number: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// Which of an owner's devices to list; `None` does not filter.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// Those registered at `/servers`.
    pub only_servers: bool,
    /// Those with this in their name or serial number.
    pub text: Option<SearchText>,
    /// Those at this place, whatever its case.
    pub location: Option<SearchText>,
    /// Those that are online, or those that are offline.
    pub is_online: Option<bool>,
}

/// Writes a device, and the row of what is last known of it. A serial number that is taken violates
/// `devices_owner_id_serial_number_key`. The caller has locked the owner.
pub async fn insert_device(connection: &mut AsyncPgConnection, device: &NewDeviceRow<'_>) -> QueryResult<()> {
    diesel::insert_into(devices::table).values(device).execute(connection).await?;
    let state = device_state::device_id.eq(device.id);
    diesel::insert_into(device_state::table).values(state).execute(connection).await.map(|_| ())
}

/// As [`insert_device`], many in two statements.
pub async fn insert_devices(connection: &mut AsyncPgConnection, devices: &[NewDeviceRow<'_>]) -> QueryResult<()> {
    diesel::insert_into(devices::table).values(devices).execute(connection).await?;
    let states: Vec<_> = devices.iter().map(|device| device_state::device_id.eq(device.id)).collect();
    diesel::insert_into(device_state::table).values(states).execute(connection).await.map(|_| ())
}

/// One of an owner's devices.
pub async fn find_device(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
) -> QueryResult<Option<DeviceRow>> {
    let query = devices::table.left_join(device_state::table).filter(devices::owner_id.eq(owner));
    query.filter(devices::id.eq(id)).select(DeviceRow::as_select()).first(connection).await.optional()
}

/// A page of an owner's devices after `after`, oldest first.
pub async fn list_devices(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    filter: &DeviceFilter,
    after: Option<DeviceId>,
    limit: i64,
    availability: &IngestAvailability,
) -> QueryResult<Vec<DeviceRow>> {
    let query = devices::table.left_join(device_state::table).select(DeviceRow::as_select());
    let mut query = query.filter(devices::owner_id.eq(owner)).order(devices::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(devices::id.gt(after));
    }
    if filter.only_servers {
        query = query.filter(devices::is_server);
    }
    if let Some(text) = &filter.text {
        // As SQL, so that the statement is planned for this text, never for any: what is too short for the index would
        // read through all of it.
        let holds = sql::<Bool>("devices.search_text LIKE lower(").bind::<Text, _>(like_anywhere(text.as_str()));
        query = query.filter(holds.sql(")"));
    }
    if let Some(location) = &filter.location {
        // As its index has it.
        let same = sql::<Bool>("lower(devices.location) = lower(").bind::<Text, _>(location.as_str()).sql(")");
        query = query.filter(same);
    }
    if let Some(is_online) = filter.is_online {
        // Here, because pages need it before they are cut.
        let OnlineBounds { oldest, timeouts } = online_bounds(connection, owner, availability).await?;
        let fresh = sql::<Bool>("coalesce(device_state.last_seen_at >= (")
            .bind::<Array<Timestamptz>, _>(oldest)
            .sql(")[array_position(")
            .bind::<Array<Integer>, _>(timeouts)
            .sql(", devices.offline_after_s)], false) = ")
            .bind::<Bool, _>(is_online);
        query = query.filter(fresh);
    }
    query.load(connection).await
}

/// How old the newest data of an owner's devices may be, as the offline detector judges it.
#[derive(Debug)]
pub struct OnlineBounds {
    /// For each of `timeouts`: the earliest `last_seen_at` with which a device is online.
    pub oldest: Vec<DateTime<Utc>>,
    /// The distinct `offline_after_s` of these devices.
    pub timeouts: Vec<i32>,
}

/// The bounds for all timeouts that an owner's devices have.
pub async fn online_bounds(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    availability: &IngestAvailability,
) -> QueryResult<OnlineBounds> {
    let query = devices::table.filter(devices::owner_id.eq(owner)).select(devices::offline_after_s).distinct();
    let timeouts: Vec<i32> = query.load(connection).await?;
    let oldest = timeouts.iter().map(|timeout_s| availability.oldest_online(*timeout_s)).collect();
    Ok(OnlineBounds { oldest, timeouts })
}

/// One of an owner's devices, kept from changing until the transaction ends.
pub async fn lock_device(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    id: DeviceId,
) -> QueryResult<Option<LockedDevice>> {
    let query = devices::table.find(id).filter(devices::owner_id.eq(owner)).for_update();
    query.select((devices::is_server, devices::serial_number, devices::updated_at)).first(connection).await.optional()
}

/// Keeps an owner from being deleted, and others from adding devices to them, until the transaction ends; returns whether
/// there is such an owner.
pub async fn lock_owner(connection: &mut AsyncPgConnection, owner: UserId) -> QueryResult<bool> {
    let user = users::table.find(owner).select(users::id).for_no_key_update();
    user.first::<UserId>(connection).await.optional().map(|found| found.is_some())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many devices an owner has; beyond `most` it does not matter.
pub async fn count_devices(connection: &mut AsyncPgConnection, owner: UserId, most: u32) -> QueryResult<i64> {
    let query = sql_query("SELECT count(*) FROM (SELECT FROM devices WHERE owner_id = $1 LIMIT $2) AS counted");
    let counted = query.bind::<Uuid, _>(owner).bind::<BigInt, _>(i64::from(most));
    counted.get_result::<Count>(connection).await.map(|row| row.count)
}

/// A device, and all that it can be named by.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = devices, check_for_backend(Pg))]
pub struct NamedRow {
    pub id: DeviceId,
    pub owner_id: UserId,
    /// Whether its id is enough to send data for it.
    #[diesel(select_expression = devices::ingest_auth.eq("open"))]
    #[diesel(select_expression_type = diesel::dsl::Eq<devices::ingest_auth, &'static str>)]
    pub is_open: bool,
    pub serial_number: Option<String>,
}

/// The devices of these ids, and those of any of these owners that have any of these serial numbers.
pub async fn list_named(
    connection: &mut AsyncPgConnection,
    ids: &[DeviceId],
    owners: &[UserId],
    serial_numbers: &[&str],
) -> QueryResult<Vec<NamedRow>> {
    let by_serial_number = devices::owner_id.eq_any(owners).and(devices::serial_number.eq_any(serial_numbers));
    let named = devices::table.filter(devices::id.eq_any(ids).or(by_serial_number.assume_not_null()));
    // Devices of an owner who is gone are deleted soon.
    let named = named.inner_join(users::table.on(users::id.eq(devices::owner_id)));
    named.select(NamedRow::as_select()).load(connection).await
}

/// Changes a device; a serial number that is taken violates `devices_owner_id_serial_number_key`.
pub async fn update_device(
    connection: &mut AsyncPgConnection,
    id: DeviceId,
    changes: &DeviceChangeset<'_>,
) -> QueryResult<()> {
    diesel::update(devices::table.find(id)).set(changes).execute(connection).await.map(|_| ())
}

/// Deletes devices. What they sent, which may be millions of rows, is left to the workers to purge: nobody can see it
/// any more, and while a long transaction deleted it here, every batch with such a device in it would have to wait.
pub async fn delete_devices(connection: &mut AsyncPgConnection, ids: &[DeviceId]) -> QueryResult<()> {
    let deleted = || devices::table.filter(devices::id.eq_any(ids));
    // From the table itself: a value each would be more than a statement can bind (65,535) for a large account.
    let purges = deleted().select(devices::id).insert_into(device_purges::table).into_columns(device_purges::device_id);
    purges.execute(connection).await?;
    diesel::delete(deleted()).execute(connection).await.map(|_| ())
}
