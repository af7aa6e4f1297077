//! Whether an answer about a time that is over is still what it was, told by one short query.
//!
//! What is in an hour before `rolled_until` can change in three ways. A late row leaves a mark, in the transaction that
//! stores it; whoever takes the mark away counts `revision` on, in the same transaction. Rollups, or raw rows, become too
//! old and are deleted: `revision` again, or `raw_from`. The owner gets or loses a device. So two moments without a mark,
//! with the same revision, the same `raw_from` and the same devices have the same rows in it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid};
use diesel::{OptionalExtension, QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::rollup::Source;

use super::partials::{Scope, instant};

/// What has to stay the same.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Version {
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Timestamptz)]
    raw_from: DateTime<Utc>,
    /// A digest of the devices' ids.
    #[diesel(sql_type = Text)]
    devices: String,
}

/// The version of what is there from `from` to `to`, both included; `None` while that time is not over, or rows of it
/// wait to be rolled up again.
///
/// # Errors
/// When the database is away.
pub async fn load(
    connection: &mut AsyncPgConnection,
    source: Source,
    scope: Scope,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> QueryResult<Option<Version>> {
    let (table, device, marks) = (source.table(), scope.holds_device(), scope.holds("mark"));
    // A mark is its hour's start: one from less than an hour before `from` may be of a row that counts.
    let hour_before = from.checked_sub_signed(TimeDelta::hours(1)).unwrap_or(from);
    let (before, last) = (instant(hour_before), instant(to));
    let sql = format!(
        "SELECT revision, raw_from, known.devices
         FROM rollup_watermarks, (
             SELECT md5(coalesce(string_agg(id::text, ' ' ORDER BY id), '')) AS devices FROM devices WHERE {device}
         ) AS known
         WHERE source = '{table}' AND rolled_until > {last} AND NOT EXISTS (
             SELECT FROM dirty_buckets AS mark
             WHERE mark.source = '{table}' AND mark.hour > {before} AND mark.hour <= {last} AND {marks}
         )"
    );
    sql_query(sql).bind::<Uuid, _>(scope.id()).get_result(connection).await.optional()
}
