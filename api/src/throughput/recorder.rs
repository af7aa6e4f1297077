//! Writes down every few seconds what this process has accepted.

use chrono::{DateTime, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::ids::{Ulid, Uuid};
use pulso_shared::throughput::{FLUSH_EVERY, slot_of};

use super::store;
use crate::broker::AcceptedCounts;
use crate::db::DbPool;
use crate::http::error::ApiError;

/// Writes the accepted readings of this process down by device, for ever. What it had not written when it ended is
/// missing from the rates, nothing else.
pub async fn keep_written(accepted: &AcceptedCounts, db: &DbPool, clock: Clock) {
    // Of each process its own: two that write the same slot add up.
    let source = Uuid::from_u128(Ulid::generate().0);
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        if let Err(error) = write(accepted, db, clock.now(), source).await {
            tracing::debug!(%error, "accepted readings not written; they are missing from the rates");
        }
    }
}

async fn write(accepted: &AcceptedCounts, db: &DbPool, now: DateTime<Utc>, source: Uuid) -> Result<(), ApiError> {
    let counts = accepted.take_by_device().into_iter();
    let counts = counts.map(|(device, count)| (device.as_uuid(), i64::try_from(count).unwrap_or(i64::MAX)));
    let (devices, counts): (Vec<_>, Vec<_>) = counts.unzip();
    if devices.is_empty() {
        return Ok(());
    }
    let mut connection = db.get().await?;
    Ok(store::add_accepted(&mut connection, &devices, &counts, slot_of(now), source).await?)
}
