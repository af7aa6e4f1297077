//! Retry policy of a batch: a transient failure is retried; a batch with a poison row is halved until that row is
//! alone; a batch that takes longer than a statement may is halved until it does not.

use std::collections::HashSet;
use std::time::Duration;

use backon::ExponentialBuilder;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::throughput::ThroughputCounter;
use tokio::time::Instant;

use super::delivery::Delivery;
use crate::backoff;
use crate::dead_letters::{Refused, Rejected};
use crate::error::StoreError;
use crate::metrics::{STORE, as_count};
use crate::storage::{Database, Joined, Rows, Stored};

/// For failures that may pass.
pub const BACKOFF: ExponentialBuilder = backoff::between(Duration::from_millis(100), Duration::from_secs(5));

/// Stores the rows of a batch of deliveries. Returns when every row is either committed or rejected, however long that
/// takes: while the database is unavailable, the rows wait here and everything else in the queue.
pub async fn store(
    database: &mut Database,
    deliveries: Vec<Delivery>,
    throughput: &ThroughputCounter,
    clock: Clock,
) -> Rejected {
    let mut rejected = Rejected::default();
    let suspect_duplicates = deliveries.iter().any(|delivery| delivery.redelivered);
    let mut submissions = Vec::new();
    for delivery in deliveries {
        submissions.extend(delivery.submissions);
        rejected.undecodable.extend(delivery.undecodable);
    }
    let (rows, joined) = Rows::gather(submissions);
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match store_with_retry(database, &part, suspect_duplicates).await {
            Ok(committed) => record(&part, committed, throughput, clock),
            Err(Verdict::DeviceGone) => {
                let (existing, gone) = without_gone(database, part).await;
                parts.push(existing);
                rejected.device_gone.append(gone);
            }
            Err(Verdict::Poison(detail)) if part.len() == 1 => {
                rejected.refused.push(Refused { rows: part, detail });
            }
            Err(Verdict::Poison(_) | Verdict::TooSlow) => {
                let (first, second) = part.halve();
                parts.extend([second, first]);
            }
        }
    }
    record_joined(joined, throughput);
    rejected
}

/// Items that are in other items' rows.
fn record_joined(joined: Joined, throughput: &ThroughputCounter) {
    STORE.merged.increment(joined.merged);
    STORE.duplicates.increment(joined.duplicates);
    throughput.add(joined.devices);
}

/// A storage transaction that succeeded.
struct Committed {
    stored: Stored,
    took: Duration,
}

/// Why another attempt with the same rows would not help.
enum Verdict {
    DeviceGone,
    Poison(String),
    TooSlow,
}

/// Tries until the rows are stored, or another attempt would not help.
async fn store_with_retry(
    database: &mut Database,
    rows: &Rows,
    suspect_duplicates: bool,
) -> Result<Committed, Verdict> {
    let notify = |error: &StoreError, retry_in| {
        tracing::warn!(%error, rows = rows.len(), ?retry_in, "batch not stored; retrying");
        STORE.retries.increment(1);
    };
    backoff::retry(
        BACKOFF,
        (database, suspect_duplicates),
        |(database, suspect_duplicates)| async move {
            let started = Instant::now();
            let outcome = match database.store(rows, suspect_duplicates).await {
                Ok(stored) => Ok(Ok(Committed { stored, took: started.elapsed() })),
                Err(error) => verdict(error, rows.len()).map(Err),
            };
            // The commit of a failed attempt may have happened, and only its confirmation been lost.
            ((database, true), outcome)
        },
        notify,
    )
    .await
}

/// What a failure means for the rows; the error itself when another attempt may succeed.
fn verdict(error: StoreError, rows: usize) -> Result<Verdict, StoreError> {
    match error {
        StoreError::Poison(detail) => Ok(Verdict::Poison(detail)),
        StoreError::DeviceGone => Ok(Verdict::DeviceGone),
        // At the same size it would be too slow again. A single row can only be waiting for others.
        StoreError::TooSlow(error) if rows > 1 => {
            tracing::warn!(error, rows, "batch too slow; halving it");
            STORE.retries.increment(1);
            Ok(Verdict::TooSlow)
        }
        StoreError::Transient(_) | StoreError::TooSlow(_) | StoreError::Duplicate => Err(error),
    }
}

/// Separates the rows of existing devices from those of deleted ones.
async fn without_gone(database: &mut Database, rows: Rows) -> (Rows, Rows) {
    let heartbeats = rows.heartbeats.iter().map(|row| row.item.device_id.as_uuid());
    let devices: HashSet<_> = heartbeats.chain(rows.readings.iter().map(|row| row.item.device_id.as_uuid())).collect();
    let devices: Vec<_> = devices.into_iter().collect();
    let devices = &devices;
    let existing = backoff::retry(
        BACKOFF,
        database,
        |database| async move {
            let existing = database.existing_devices(devices).await;
            (database, existing)
        },
        |error: &StoreError, retry_in| tracing::warn!(%error, ?retry_in, "devices not looked up; retrying"),
    );
    let existing: HashSet<_> = existing.await.into_iter().map(DeviceId::from).collect();
    rows.partition(|device| existing.contains(&device))
}

fn record(rows: &Rows, committed: Committed, throughput: &ThroughputCounter, clock: Clock) {
    let Committed { stored: Stored { inserted, merged }, took } = committed;
    let heartbeats = rows.heartbeats.iter().map(|row| row.item.device_id);
    throughput.add(heartbeats.chain(rows.readings.iter().map(|row| row.item.device_id)));
    let size = as_count(rows.len());
    STORE.stored.increment(inserted);
    STORE.merged.increment(merged);
    STORE.duplicates.increment(size.saturating_sub(inserted).saturating_sub(merged));
    STORE.batches.increment(1);
    STORE.batch_size.record(f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)));
    STORE.commit_latency.record(took.as_secs_f64());
    if let Some(oldest) = rows.oldest_received_at() {
        STORE.lag.set((clock.now() - oldest).as_seconds_f64());
    }
    tracing::debug!(rows = size, inserted, merged, "batch stored");
    if tracing::enabled!(tracing::Level::TRACE) {
        for row in &rows.heartbeats {
            tracing::trace!(request_id = row.origin.request_id, device_id = %row.item.device_id, "heartbeat stored");
        }
        for row in &rows.readings {
            tracing::trace!(request_id = row.origin.request_id, device_id = %row.item.device_id, "reading stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, verdict};
    use crate::error::StoreError;

    /// What becomes of a batch of so many rows after a failure.
    fn after(error: StoreError, rows: usize) -> &'static str {
        match verdict(error, rows) {
            Ok(Verdict::DeviceGone) => "separate",
            Ok(Verdict::Poison(_)) => "find the row",
            Ok(Verdict::TooSlow) => "halve",
            Err(_) => "retry",
        }
    }

    #[test]
    fn each_failure_has_its_verdict() {
        let text = || "reason".to_owned();
        assert_eq!(after(StoreError::Transient(text()), 5_000), "retry");
        assert_eq!(after(StoreError::Transient(text()), 1), "retry");
        assert_eq!(after(StoreError::Duplicate, 5_000), "retry");
        assert_eq!(after(StoreError::Poison(text()), 5_000), "find the row");
        assert_eq!(after(StoreError::Poison(text()), 1), "find the row");
        assert_eq!(after(StoreError::DeviceGone, 5_000), "separate");
        assert_eq!(after(StoreError::TooSlow(text()), 2), "halve");
        assert_eq!(after(StoreError::TooSlow(text()), 1), "retry", "a single row waits for somebody's lock");
    }
}
