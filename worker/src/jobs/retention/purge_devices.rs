//! Deletes what deleted devices have sent, some thousand rows at a time, so that nobody waits for a long transaction.

use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::error::StoreError;
use crate::jobs::repeat::repeat;
use crate::metrics::{PURGE, as_count};
use crate::storage::connect;

/// Devices at a time: many have sent little, and each table is looked at once for all of them.
const DEVICES: i64 = 200;
/// Most rows of one transaction: some tens of milliseconds.
const CHUNK: u64 = 5_000;
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The next devices, unless another worker purges them.
const NEXT: &str = "SELECT device_id FROM device_purges ORDER BY deleted_at LIMIT $1 FOR UPDATE SKIP LOCKED";
/// The tables with devices' data that hold anything. Rollups of a deleted device are not computed again.
const TABLES: &str = "
    SELECT leaf.relid::regclass::text
    FROM unnest(ARRAY['heartbeats', 'readings']) AS named, pg_partition_tree(named::regclass) AS leaf
    WHERE leaf.isleaf AND pg_relation_size(leaf.relid) > 0
    UNION ALL
    SELECT named FROM unnest(ARRAY['heartbeats_hourly', 'readings_hourly', 'readings_minutely', 'dirty_buckets',
        'device_status_changes']) AS named";
const DONE: &str = "DELETE FROM device_purges WHERE device_id = ANY ($1)";

/// Purges deleted devices for as long as the process runs.
pub async fn run(url: SecretString) {
    repeat("purge of devices", CHECK_EVERY, || purge_all(&url)).await;
}

async fn purge_all(url: &SecretString) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    loop {
        if !purge_some(&mut client).await? {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }
}

/// Deletes up to [`CHUNK`] rows of some devices; `false` when there is no device to purge.
async fn purge_some(client: &mut Client) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    let devices: Vec<Uuid> =
        transaction.query(NEXT, &[&DEVICES]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if devices.is_empty() {
        return Ok(false);
    }
    let rows = delete_rows(&transaction, &devices).await?;
    let is_done = rows < CHUNK;
    if is_done {
        transaction.execute(DONE, &[&devices]).await?;
    }
    transaction.commit().await?;
    PURGE.rows.increment(rows);
    if is_done {
        PURGE.devices.increment(as_count(devices.len()));
        tracing::info!(devices = devices.len(), rows, "deleted devices' data purged");
    }
    Ok(true)
}

/// Deletes rows until there are none, or [`CHUNK`] are deleted.
async fn delete_rows(transaction: &Transaction<'_>, devices: &[Uuid]) -> Result<u64, StoreError> {
    let mut deleted = 0_u64;
    for row in transaction.query(TABLES, &[]).await? {
        let table: String = row.try_get(0)?;
        let left = CHUNK.saturating_sub(deleted);
        let some = format!("SELECT ctid FROM {table} WHERE device_id = ANY ($1) LIMIT {left}");
        let delete = format!("DELETE FROM {table} WHERE ctid = ANY (ARRAY({some}))");
        deleted = deleted.saturating_add(transaction.execute(&delete, &[&devices]).await?);
        if deleted >= CHUNK {
            break;
        }
    }
    Ok(deleted)
}
