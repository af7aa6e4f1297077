//! The SQL.

use crate::ids::UserId;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::Uuid;
use pulso_shared::presence::IngestAvailability;
use pulso_shared::throughput::{ADD_COUNTS, RATE_WINDOW, slot_of};

use crate::devices::{OnlineBounds, online_bounds};

/// Devices by status.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct DeviceCounts {
    /// All.
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    /// Those whose newest data is fresh enough.
    #[diesel(sql_type = BigInt)]
    pub online: i64,
}

/// How many readings there were in the last whole minute of slots.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct ReadingCounts {
    /// Accepted.
    #[diesel(sql_type = BigInt)]
    pub accepted: i64,
    /// Stored.
    #[diesel(sql_type = BigInt)]
    pub stored: i64,
}

/// Counts an owner's devices by their status, as the offline detector judges it.
pub async fn count_devices(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    availability: &IngestAvailability,
) -> QueryResult<DeviceCounts> {
    let OnlineBounds { oldest, timeouts } = online_bounds(connection, owner, availability).await?;
    sql_query(include_str!("count_devices.sql"))
        .bind::<SqlUuid, _>(owner)
        .bind::<Array<Timestamptz>, _>(oldest)
        .bind::<Array<Integer>, _>(timeouts)
        .get_result(connection)
        .await
}

/// Counts an owner's readings in the minute before the present slot, which is not over yet.
pub async fn count_readings(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    now: DateTime<Utc>,
) -> QueryResult<ReadingCounts> {
    let end = slot_of(now);
    let counts = sql_query(include_str!("count_readings.sql")).bind::<SqlUuid, _>(owner);
    counts.bind::<Timestamptz, _>(end - RATE_WINDOW).bind::<Timestamptz, _>(end).get_result(connection).await
}

/// Adds to what `source` has accepted in `slot`.
pub async fn add_accepted(
    connection: &mut AsyncPgConnection,
    devices: &[Uuid],
    accepted: &[i64],
    slot: DateTime<Utc>,
    source: Uuid,
) -> QueryResult<()> {
    let none = vec![0_i64; devices.len()];
    sql_query(ADD_COUNTS)
        .bind::<Array<SqlUuid>, _>(devices)
        .bind::<Array<BigInt>, _>(accepted)
        .bind::<Array<BigInt>, _>(none)
        .bind::<Timestamptz, _>(slot)
        .bind::<SqlUuid, _>(source)
        .execute(connection)
        .await
        .map(|_| ())
}
