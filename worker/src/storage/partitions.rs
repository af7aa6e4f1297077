//! Daily partitions, made ahead of time. What has no partition is in the default one and just as readable.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use pulso_shared::clock::Clock;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::connection::connect;
use crate::error::StoreError;

/// The partitioned tables.
pub const TABLES: [&str; 2] = ["heartbeats", "readings"];
/// Days kept ready beyond today: a weekend without a worker still finds its partitions.
const DAYS_AHEAD: u64 = 3;
/// How often it is looked whether a day is missing.
const CHECK_EVERY: Duration = Duration::from_secs(3_600);
/// How long the start waits for them.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// One maker at a time among all workers ("pulsp" in ASCII); and never a long wait for a lock while data flows.
const PREPARE: &str = "SET lock_timeout = '2s'; SELECT pg_advisory_xact_lock(482872390512)";

/// Makes today's partitions before the first row is written, unless that takes too long: the default one takes them too.
pub async fn make_ready(url: &SecretString, clock: Clock) {
    if !matches!(tokio::time::timeout(FIRST_TIMEOUT, make_ahead(url, clock.now())).await, Ok(Ok(()))) {
        tracing::warn!("partitions not ready yet; what needs them goes to the default partition meanwhile");
    }
}

/// Keeps partitions ready, for ever.
pub async fn keep_ready(url: SecretString, clock: Clock) {
    loop {
        let pause = match make_ahead(&url, clock.now()).await {
            Ok(()) => CHECK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "partitions not made; what needs them goes to the default partition");
                RETRY_AFTER
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn make_ahead(url: &SecretString, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    for table in TABLES {
        for day in now.date_naive().iter_days().take(usize::try_from(DAYS_AHEAD).unwrap_or(0).saturating_add(1)) {
            if !exists(&client, table, day).await? {
                make(&mut client, table, day).await?;
            }
        }
    }
    Ok(())
}

fn partition_name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}

async fn exists(client: &Client, table: &str, day: NaiveDate) -> Result<bool, StoreError> {
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&partition_name(table, day)]).await?;
    Ok(row.get(0))
}

/// Makes a day's partition. Rows of that day that already lie in the default one move along.
async fn make(client: &mut Client, table: &str, day: NaiveDate) -> Result<(), StoreError> {
    let Some(next_day) = day.checked_add_days(Days::new(1)) else { return Ok(()) };
    let partition = partition_name(table, day);
    let transaction = client.transaction().await?;
    transaction.batch_execute(PREPARE).await?;
    // Another worker may have made it while we waited for our turn: IF NOT EXISTS, and attach only what is loose.
    let sql = format!(
        "LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE IF NOT EXISTS {partition} (LIKE {table} INCLUDING ALL);
         WITH moved AS (
             DELETE FROM {table}_default WHERE ts >= '{day} 00:00:00+00' AND ts < '{next_day} 00:00:00+00' RETURNING *
         ) INSERT INTO {partition} SELECT * FROM moved;
         DO $$ BEGIN
             IF NOT (SELECT relispartition FROM pg_class WHERE oid = '{partition}'::regclass) THEN
                 ALTER TABLE {table} ATTACH PARTITION {partition}
                 FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next_day} 00:00:00+00');
             END IF;
         END $$"
    );
    transaction.batch_execute(&sql).await?;
    transaction.commit().await?;
    tracing::info!(partition, "partition ready");
    Ok(())
}
