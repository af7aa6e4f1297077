//! Deletes what deleted devices once sent, a little at a time, so that nobody waits for a long transaction.

use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Client;

use crate::error::StoreError;
use crate::storage::connect;

/// Rows deleted in one transaction: some tens of milliseconds.
const CHUNK: i64 = 5_000;
/// Where a device's data lies, and by what a row is known there. The roller computes nothing for a device that is gone.
const TABLES: [(&str, &str); 6] = [
    ("heartbeats", "device_id, ts"),
    ("readings", "device_id, ts"),
    ("heartbeats_hourly", "device_id, bucket"),
    ("readings_hourly", "device_id, bucket"),
    ("readings_minutely", "device_id, bucket"),
    ("rollup_marks", "source, device_id, hour"),
];
/// How often it is looked for deleted devices.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The device whose turn it is; another worker's is passed over.
const NEXT: &str = "SELECT device_id FROM device_purges ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED";

/// Purges, for ever.
pub async fn purge_deleted_devices(url: SecretString) {
    loop {
        if let Err(error) = purge_all(&url).await {
            tracing::warn!(%error, "deleted devices' data not purged yet; trying again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn purge_all(url: &SecretString) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    loop {
        if !purge_chunk(&mut client).await? {
            tokio::time::sleep(LOOK_EVERY).await;
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
