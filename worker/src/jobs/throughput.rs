//! Adds what this worker stored to the owners' throughput counts, every few seconds.

use std::sync::Arc;

use pulso_shared::clock::Clock;
use pulso_shared::ids::ProcessId;
use pulso_shared::throughput::{ADD_COUNTS, FLUSH_EVERY, RATE_WINDOW, ThroughputCounter, slot_of};
use secrecy::SecretString;
use tokio_postgres::Client;
use uuid::Uuid;

use super::repeat::repeat;
use crate::error::StoreError;
use crate::storage::connect;

const DELETE_OLD_SLOTS: &str = "DELETE FROM throughput_counts WHERE slot < $1";

/// Flushes the counter for as long as the process runs.
pub async fn run(url: SecretString, counter: Arc<ThroughputCounter>, clock: Clock) {
    let source = ProcessId::generate().as_uuid();
    repeat("throughput", FLUSH_EVERY, || keep_flushed(&url, &counter, source, clock)).await;
}

async fn keep_flushed(
    url: &SecretString,
    counter: &ThroughputCounter,
    source: Uuid,
    clock: Clock,
) -> Result<(), StoreError> {
    let client = connect(url).await?;
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        flush(&client, counter, source, clock).await?;
    }
}

async fn flush(client: &Client, counter: &ThroughputCounter, source: Uuid, clock: Clock) -> Result<(), StoreError> {
    let slot = slot_of(clock.now());
    let (devices, stored) = counter.take();
    if !devices.is_empty() {
        let accepted = vec![0_i64; devices.len()];
        client.execute(ADD_COUNTS, &[&devices, &accepted, &stored, &slot, &source]).await?;
    }
    // Twice the window: an API whose clock is behind still finds all of its window.
    client.execute(DELETE_OLD_SLOTS, &[&(slot - RATE_WINDOW - RATE_WINDOW)]).await?;
    Ok(())
}
