//! The statements that turn raw rows into rollups.
//!
//! Devices are locked (FOR KEY SHARE) before they are computed: or one that is deleted meanwhile would get rollups that
//! nobody purges. Each is read on its own (LATERAL), because `(device_id, ts)` is the only index.

use chrono::{DateTime, Utc};
use pulso_shared::rollup::{Source, bucket_of};
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::error::StoreError;

/// Hours of devices: the device and the hour at the same index.
#[derive(Debug, Default)]
pub struct Hours {
    pub devices: Vec<Uuid>,
    /// Their starts.
    pub hours: Vec<DateTime<Utc>>,
}

/// Which raw rows are rolled up.
#[derive(Clone, Copy)]
enum Scope {
    /// `$1`, `$2`: the first hour's start and the last one's end.
    Hours,
    /// `$1`, `$2`: devices and hours; `$3`, `$4`: start and end of all of them, so that only the partitions between
    /// are planned.
    Dirty,
}

/// Computes the hours between two instants for all devices that may have rows in them; returns the number of rollups.
pub async fn insert_hours(
    transaction: &Transaction<'_>,
    source: Source,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<u64, StoreError> {
    lock_partitions(transaction, source).await?;
    if let Some(minutely) = source.minutely() {
        transaction.execute(&from_raw(source, minutely, "1 minute", Scope::Hours), &[&from, &to]).await?;
        return Ok(transaction.execute(&from_minutes(source, minutely, Scope::Hours), &[&from, &to]).await?);
    }
    Ok(transaction.execute(&from_raw(source, source.hourly(), "1 hour", Scope::Hours), &[&from, &to]).await?)
}

/// Computes hours again.
pub async fn replace_hours(transaction: &Transaction<'_>, source: Source, dirty: &Hours) -> Result<(), StoreError> {
    let Some((from, last)) = dirty.hours.iter().min().zip(dirty.hours.iter().max()) else { return Ok(()) };
    let to = *last + chrono::TimeDelta::hours(1);
    let pairs: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&dirty.devices, &dirty.hours];
    let bounded: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&dirty.devices, &dirty.hours, from, &to];
    lock_partitions(transaction, source).await?;
    transaction.execute(&delete(source.hourly()), &pairs).await?;
    if let Some(minutely) = source.minutely() {
        transaction.execute(&delete(minutely), &pairs).await?;
        transaction.execute(&from_raw(source, minutely, "1 minute", Scope::Dirty), &bounded).await?;
        transaction.execute(&from_minutes(source, minutely, Scope::Dirty), &pairs).await?;
    } else {
        transaction.execute(&from_raw(source, source.hourly(), "1 hour", Scope::Dirty), &bounded).await?;
    }
    Ok(())
}

/// Before any statement is planned: rows that move from the default partition into one of their own meanwhile would be
/// found in neither.
async fn lock_partitions(transaction: &Transaction<'_>, source: Source) -> Result<(), StoreError> {
    Ok(transaction.batch_execute(&format!("LOCK TABLE {}_default IN ACCESS SHARE MODE", source.table())).await?)
}

fn delete(rollups: &str) -> String {
    format!(
        "DELETE FROM {rollups} AS old USING unnest($1::uuid[], $2::timestamptz[]) AS dirty (device_id, hour)
         WHERE old.device_id = dirty.device_id
         AND old.bucket >= dirty.hour AND old.bucket < dirty.hour + interval '1 hour'"
    )
}

fn from_raw(source: Source, rollups: &str, width: &str, scope: Scope) -> String {
    let (table, newest) = (source.table(), source.newest());
    let (bucket, columns) = (bucket_of(width, "r.ts"), columns(source));
    let values = each(source, |metric| {
        let (number, summand) = (source.number(metric), source.summand(metric));
        format!("count({number}), sum({summand}), min({number}), max({number})")
    });
    let (live, rows) = match scope {
        Scope::Hours => (
            format!(
                "SELECT device.id AS device_id FROM devices AS device
                 JOIN device_state AS state ON state.device_id = device.id
                 WHERE state.{newest} >= $1 FOR KEY SHARE OF device"
            ),
            "r.ts >= $1 AND r.ts < $2",
        ),
        Scope::Dirty => (
            "SELECT device.id AS device_id, dirty.hour
             FROM unnest($1::uuid[], $2::timestamptz[]) AS dirty (device_id, hour)
             JOIN devices AS device ON device.id = dirty.device_id FOR KEY SHARE OF device"
                .to_owned(),
            "r.ts >= live.hour AND r.ts < live.hour + interval '1 hour' AND r.ts >= $3 AND r.ts < $4",
        ),
    };
    format!(
        "INSERT INTO {rollups} (device_id, bucket, {columns})
         WITH live AS ({live})
         SELECT live.device_id, rolled.* FROM live CROSS JOIN LATERAL (
             SELECT {bucket}, {values} FROM {table} AS r WHERE r.device_id = live.device_id AND {rows} GROUP BY 1
         ) AS rolled"
    )
}

fn from_minutes(source: Source, minutely: &str, scope: Scope) -> String {
    let (hourly, bucket, columns) = (source.hourly(), bucket_of("1 hour", "r.bucket"), columns(source));
    let values = each(source, |metric| {
        format!("sum(r.{metric}_count), sum(r.{metric}_sum), min(r.{metric}_min), max(r.{metric}_max)")
    });
    let rows = match scope {
        Scope::Hours => "WHERE r.bucket >= $1 AND r.bucket < $2",
        Scope::Dirty => {
            "JOIN unnest($1::uuid[], $2::timestamptz[]) AS dirty (device_id, hour)
             ON r.device_id = dirty.device_id
             AND r.bucket >= dirty.hour AND r.bucket < dirty.hour + interval '1 hour'"
        }
    };
    format!(
        "INSERT INTO {hourly} (device_id, bucket, {columns})
         SELECT r.device_id, {bucket}, {values} FROM {minutely} AS r {rows} GROUP BY 1, 2"
    )
}

fn columns(source: Source) -> String {
    each(source, |metric| format!("{metric}_count, {metric}_sum, {metric}_min, {metric}_max"))
}

fn each(source: Source, text: impl Fn(&str) -> String) -> String {
    source.metrics().iter().map(|metric| text(metric)).collect::<Vec<_>>().join(", ")
}
