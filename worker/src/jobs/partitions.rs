//! Creates daily partitions ahead of time. Rows without a partition go to the default one, where they can be read as
//! well.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::rollup::Source;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::repeat::repeat;
use crate::error::StoreError;
use crate::storage::connect;

/// Days beyond today: after a weekend without a worker there are still partitions.
const DAYS_AHEAD: usize = 3;
const CHECK_EVERY: Duration = Duration::from_secs(3_600);
/// Limit for the start of the worker.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Whoever waits for a table's lock makes all writers wait behind it.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";
const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// Creates today's partitions before the first row is written, unless that takes too long: the default partition takes
/// the rows as well.
pub async fn create_first(url: &SecretString, clock: Clock) {
    if !matches!(tokio::time::timeout(FIRST_TIMEOUT, create_ahead(url, clock.now())).await, Ok(Ok(()))) {
        tracing::warn!("partitions not created yet; rows go to the default partition meanwhile");
    }
}

/// Creates partitions for as long as the process runs.
pub async fn run(url: SecretString, clock: Clock) {
    repeat("partitions", RETRY_AFTER, || keep_created(&url, clock)).await;
}

async fn keep_created(url: &SecretString, clock: Clock) -> Result<(), StoreError> {
    loop {
        create_ahead(url, clock.now()).await?;
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

async fn create_ahead(url: &SecretString, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    for table in Source::ALL.map(Source::table) {
        for day in now.date_naive().iter_days().take(DAYS_AHEAD.saturating_add(1)) {
            if !exists(&client, table, day).await? {
                create(&mut client, table, day).await?;
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

/// Creates a day's partition, and moves rows of that day out of the default one.
async fn create(client: &mut Client, table: &str, day: NaiveDate) -> Result<(), StoreError> {
    let Some(next_day) = day.checked_add_days(Days::new(1)) else { return Ok(()) };
    let partition = partition_name(table, day);
    let transaction = client.transaction().await?;
    transaction.batch_execute(LOCK_TIMEOUT).await?;
    transaction.execute(LOCK, &[&AdvisoryLock::CreatePartitions.id()]).await?;
    // Another worker may have created it while this one waited for the lock: IF NOT EXISTS, and attach it only once.
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
    tracing::info!(partition, "partition created");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::partition_name;

    #[test]
    fn a_partition_is_named_by_its_day_so_that_retention_can_tell_its_age() {
        let day = "2026-02-03".parse().unwrap();
        assert_eq!(partition_name("heartbeats", day), "heartbeats_20260203");
    }
}
