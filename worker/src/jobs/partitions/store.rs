//! Partitions in PostgreSQL.
//!
//! A lock on a table that is written and read is waited for briefly ([`LOCK_DEFAULT`]) and held for what does not
//! depend on the number of rows. A scan runs beside readers and writers, before that lock: it validates a CHECK, by
//! which PostgreSQL then knows that there is nothing to scan.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use pulso_shared::locks::AdvisoryLock;
use tokio_postgres::Client;

use super::day_range::DayRange;
use crate::error::{GUARD_SUFFIX, StoreError};

/// The first lock lets readers and writers through; waiting for it for a second makes an autovacuum of the table give
/// way. Whoever waits for the second one makes them wait too.
const LOCK_DEFAULT: &str = "SET LOCAL lock_timeout = '3s'; LOCK TABLE {default} IN SHARE UPDATE EXCLUSIVE MODE;
    SET LOCAL lock_timeout = '70ms'; LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE;";
/// How often a lock that is not granted is tried again, and how long the others are left alone in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(150);
/// For scans that nobody waits for.
const NO_HURRY: &str = "SET statement_timeout = '6h'";
const LOCK: &str = "SELECT pg_advisory_lock($1)";
const ATTACHED: &str =
    "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass($1)";
const SIZE: &str = "SELECT pg_relation_size(to_regclass($1))";
const GUARDS: &str = "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'c' AND conname LIKE '%' || $2";

/// Waits until no other worker creates partitions; the lock is released with the connection.
pub async fn lock(client: &Client) -> Result<(), StoreError> {
    client.execute(LOCK, &[&AdvisoryLock::CreatePartitions.id()]).await?;
    client.batch_execute(NO_HURRY).await?;
    Ok(())
}

/// The days that have a partition.
pub async fn list(client: &Client, table: &str) -> Result<Vec<DayRange>, StoreError> {
    let names = client.query(ATTACHED, &[&table]).await?;
    let names: Vec<String> = names.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(names.iter().filter_map(|name| DayRange::of_partition(table, name)).collect())
}

/// Bytes in the default partition.
pub async fn default_bytes(client: &Client, table: &str) -> Result<i64, StoreError> {
    Ok(client.query_one(SIZE, &[&default_of(table)]).await?.try_get(0)?)
}

/// The first and the last day of the default partition's rows. Reads all of it, beside everybody else.
pub async fn days_in_default(client: &Client, table: &str) -> Result<Option<(NaiveDate, NaiveDate)>, StoreError> {
    let row = client.query_one(&format!("SELECT min(ts), max(ts) FROM {}", default_of(table)), &[]).await?;
    let (first, last): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(first.zip(last).map(|(first, last)| (first.date_naive(), last.date_naive())))
}

/// Creates partitions, and moves their rows out of the default one: readers see each row before or after, never twice or
/// not at all. For a default partition that is empty or small, or has a guard: it is scanned under the lock otherwise.
pub async fn create(client: &Client, table: &str, ranges: &[DayRange], moves_rows: bool) -> Result<(), StoreError> {
    let default = default_of(table);
    let created =
        ranges.iter().map(|range| format!("CREATE TABLE {} (LIKE {table} INCLUDING ALL);", range.partition_of(table)));
    let attached = ranges.iter().map(|range| {
        let (partition, rows, (from, to)) = (range.partition_of(table), range.holds_row(), range.bounds());
        let moved = format!(
            "WITH moved AS (DELETE FROM {default} WHERE {rows} RETURNING *) INSERT INTO {partition} SELECT * FROM moved;"
        );
        format!(
            "{} ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({from}) TO ({to});",
            if moves_rows { moved.as_str() } else { "" }
        )
    });
    let (created, attached): (String, String) = (created.collect(), attached.collect());
    under_lock(client, &format!("BEGIN; {created} {} {attached} COMMIT", lock_default(&default))).await
}

/// Makes the default partition the partition of `range`, in which all its rows lie, and creates an empty default one. No
/// row moves.
pub async fn convert_default(client: &Client, table: &str, range: DayRange) -> Result<(), StoreError> {
    let guard = add_guard(client, table, &range.holds_row()).await?;
    let (default, partition, (from, to)) = (default_of(table), range.partition_of(table), range.bounds());
    let sql = format!(
        "BEGIN; {}
         ALTER TABLE {table} DETACH PARTITION {default};
         ALTER TABLE {default} RENAME TO {partition};
         ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({from}) TO ({to});
         ALTER TABLE {partition} DROP CONSTRAINT {guard};
         CREATE TABLE {default} (LIKE {table} INCLUDING ALL);
         ALTER TABLE {table} ATTACH PARTITION {default} DEFAULT;
         COMMIT",
        lock_default(&default)
    );
    under_lock(client, &sql).await
}

/// Creates the partition of days that the default one has no rows of, however large it is.
pub async fn create_beside(client: &Client, table: &str, range: DayRange) -> Result<(), StoreError> {
    let guard = add_guard(client, table, &range.excludes_row()).await?;
    create(client, table, &[range], false).await?;
    drop_guard(client, table, &guard).await
}

/// Adds a validated CHECK to the default partition. Rows that violate it are stored later: see [`GUARD_SUFFIX`].
async fn add_guard(client: &Client, table: &str, check: &str) -> Result<String, StoreError> {
    let (default, guard) = (default_of(table), format!("{table}{GUARD_SUFFIX}"));
    let lock = lock_default(&default);
    let add = format!("BEGIN; {lock} ALTER TABLE {default} ADD CONSTRAINT {guard} CHECK ({check}) NOT VALID; COMMIT");
    under_lock(client, &add).await?;
    let validate =
        format!("BEGIN; SET LOCAL lock_timeout = '3s'; ALTER TABLE {default} VALIDATE CONSTRAINT {guard}; COMMIT");
    let validated = under_lock(client, &validate).await;
    if validated.is_err() {
        client.batch_execute("ROLLBACK").await?;
        drop_guard(client, table, &guard).await?;
    }
    validated.map(|()| guard)
}

async fn drop_guard(client: &Client, table: &str, guard: &str) -> Result<(), StoreError> {
    let default = default_of(table);
    let lock = lock_default(&default);
    under_lock(client, &format!("BEGIN; {lock} ALTER TABLE {default} DROP CONSTRAINT {guard}; COMMIT")).await
}

/// Drops guards that a worker which was killed has left.
pub async fn drop_guards(client: &Client, table: &str) -> Result<(), StoreError> {
    for row in client.query(GUARDS, &[&default_of(table), &GUARD_SUFFIX]).await? {
        drop_guard(client, table, row.try_get(0)?).await?;
    }
    Ok(())
}

/// Runs statements that need a lock on a table in use, again where it is not granted in time.
async fn under_lock(client: &Client, sql: &str) -> Result<(), StoreError> {
    for _ in 1..ATTEMPTS {
        match client.batch_execute(sql).await {
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
                client.batch_execute("ROLLBACK").await?;
                tokio::time::sleep(PAUSE).await;
            }
            decided => return Ok(decided?),
        }
    }
    Ok(client.batch_execute(sql).await?)
}

fn lock_default(default: &str) -> String {
    LOCK_DEFAULT.replace("{default}", default)
}

fn default_of(table: &str) -> String {
    format!("{table}_default")
}
