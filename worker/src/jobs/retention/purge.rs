//! Deletes the rows of deleted devices, in chunks, so that nobody waits for a long transaction.

use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Client;

use crate::error::StoreError;
use crate::jobs::repeat::repeat;
use crate::storage::connect;

/// Most rows of each table in one transaction: some tens of milliseconds.
const CHUNK: i64 = 5_000;
/// The tables with a device's data, and the columns that identify a row. Rollups of a deleted device are not computed
/// again.
const TABLES: [(&str, &str); 6] = [
    ("heartbeats", "device_id, ts"),
    ("readings", "device_id, ts"),
    ("heartbeats_hourly", "device_id, bucket"),
    ("readings_hourly", "device_id, bucket"),
    ("readings_minutely", "device_id, bucket"),
    ("dirty_buckets", "source, device_id, hour"),
];
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The next device, unless another worker purges it.
const NEXT: &str = "SELECT device_id FROM device_purges ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED";

/// Purges deleted devices for as long as the process runs.
pub async fn run(url: SecretString) {
    repeat("purge", CHECK_EVERY, || purge_all(&url)).await;
}

async fn purge_all(url: &SecretString) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    loop {
        if !purge_chunk(&mut client).await? {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }
}

/// Deletes up to [`CHUNK`] rows of one deleted device from each table; `false` when there is no such device.
async fn purge_chunk(client: &mut Client) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    let Some(row) = transaction.query_opt(NEXT, &[]).await? else { return Ok(false) };
    let device: uuid::Uuid = row.try_get(0)?;
    let mut deleted = 0_u64;
    for (table, key) in TABLES {
        let chunk = format!("SELECT {key} FROM {table} WHERE device_id = $1 LIMIT {CHUNK}");
        let delete = format!("DELETE FROM {table} WHERE ({key}) IN ({chunk})");
        deleted = deleted.saturating_add(transaction.execute(&delete, &[&device]).await?);
    }
    if deleted == 0 {
        transaction.execute("DELETE FROM device_purges WHERE device_id = $1", &[&device]).await?;
        tracing::info!(%device, "deleted device's data purged");
    }
    transaction.commit().await?;
    Ok(true)
}
