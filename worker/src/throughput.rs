//! What this process has stored, by device: counted in memory, written down by owner every few seconds.

use std::sync::LazyLock;

use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::throughput::{ADD_COUNTS, FLUSH_EVERY, RATE_WINDOW, ThroughputCounter, slot_of};
use secrecy::SecretString;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::error::StoreError;
use crate::storage::{Rows, connect};

const DELETE_OLD_SLOTS: &str = "DELETE FROM ingest_tallies WHERE slot < $1";

/// What was stored since it was written down last.
static STORED: LazyLock<ThroughputCounter> = LazyLock::new(ThroughputCounter::default);

/// Counts rows that are committed.
pub fn add_stored(rows: &Rows) {
    let heartbeats = rows.heartbeats.iter().map(|row| row.item.device_id);
    STORED.add(heartbeats.chain(rows.readings.iter().map(|row| row.item.device_id)));
}

/// Writes the counts down, for ever.
pub async fn keep_written(url: SecretString, clock: Clock) {
    let source = DeviceId::generate().as_uuid();
    loop {
        if let Err(error) = write_all(&url, source, clock).await {
            tracing::debug!(%error, "counts not written; some are missing from the rates");
        }
        tokio::time::sleep(FLUSH_EVERY).await;
    }
}

async fn write_all(url: &SecretString, source: Uuid, clock: Clock) -> Result<(), StoreError> {
    let client = connect(url).await?;
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        write(&client, source, clock).await?;
    }
}

async fn write(client: &Client, source: Uuid, clock: Clock) -> Result<(), StoreError> {
    let slot = slot_of(clock.now());
    let (devices, stored) = STORED.take();
    if !devices.is_empty() {
        let none = vec![0_i64; devices.len()];
        client.execute(ADD_COUNTS, &[&devices, &none, &stored, &slot, &source]).await?;
    }
    client.execute(DELETE_OLD_SLOTS, &[&(slot - RATE_WINDOW - RATE_WINDOW)]).await?;
    Ok(())
}
