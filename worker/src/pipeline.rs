//! A batch's way into the database: stored as a whole; where a row spoils it, halved until that row is alone; where it is
//! too much for a statement's time, halved until it is not.

use std::collections::HashSet;
use std::time::Duration;

use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use tokio::time::Instant;

use crate::dead_letter::{DEVICE_GONE, Reason};
use crate::delivery::{Delivery, Undecodable};
use crate::error::StoreError;
use crate::metrics::{STORE, as_count};
use crate::storage::{Database, Rows};
use crate::throughput;

/// First wait after a failure that may pass; doubled up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// What of a batch could never be stored. All the rest is committed.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Messages, or single submissions, that cannot be read.
    pub messages: Vec<Undecodable>,
    /// Rows that the database will not take, and why.
    pub rows: Vec<(Rows, Reason)>,
}

/// Stores what a batch of deliveries holds. Returns when every row is either committed or among the leftovers, however
/// long that takes: while the database is away, the rows wait here and everything else in the queue.
pub async fn store(database: &mut Database, deliveries: Vec<Delivery>, clock: Clock) -> Leftovers {
    let mut leftovers = Leftovers::default();
    let suspect_duplicates = deliveries.iter().any(|delivery| delivery.redelivered);
    let mut submissions = Vec::new();
    for delivery in deliveries {
        submissions.extend(delivery.submissions);
        leftovers.messages.extend(delivery.undecodable);
    }
    let mut parts = vec![Rows::gather(submissions)];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match store_patiently(database, &part, suspect_duplicates, clock).await {
            Ok(()) => {}
            Err(Verdict::DeviceGone) => {
                let (there, gone) = without_gone(database, part).await;
                parts.push(there);
                leftovers.rows.push((gone, Reason { code: DEVICE_GONE, detail: "the device is not there".into() }));
            }
            Err(Verdict::Poison(detail)) if part.len() == 1 => {
                leftovers.rows.push((part, Reason { code: "refused", detail }));
            }
            Err(Verdict::Poison(_) | Verdict::TooSlow) => {
                let (first, second) = part.halve();
                parts.extend([second, first]);
            }
        }
    }
    leftovers
}

/// Why waiting would not help.
enum Verdict {
    DeviceGone,
    Poison(String),
    TooSlow,
}

/// Tries until the rows are stored or found to be unstorable.
async fn store_patiently(
    database: &mut Database,
    rows: &Rows,
    suspect_duplicates: bool,
    clock: Clock,
) -> Result<(), Verdict> {
    let mut backoff = FIRST_BACKOFF;
    let mut suspect_duplicates = suspect_duplicates;
    loop {
        let started = Instant::now();
        match database.store(rows, suspect_duplicates).await {
            Ok(stored) => {
                count(rows, stored.inserted, started, clock);
                return Ok(());
            }
            Err(StoreError::Poison(detail)) => return Err(Verdict::Poison(detail)),
            Err(StoreError::DeviceGone) => return Err(Verdict::DeviceGone),
            // At the same size it would be too slow for ever. A row that is alone has only others to wait for.
            Err(StoreError::TooSlow(error)) if rows.len() > 1 => {
                tracing::warn!(error, rows = rows.len(), "not stored; halved");
                STORE.retries.increment(1);
                return Err(Verdict::TooSlow);
            }
            Err(error @ (StoreError::Transient(_) | StoreError::TooSlow(_) | StoreError::Duplicate)) => {
                tracing::warn!(%error, rows = rows.len(), retry_in = ?backoff, "not stored; waiting");
                STORE.retries.increment(1);
                // A commit whose answer was lost may have happened.
                suspect_duplicates = true;
                tokio::time::sleep(backoff).await;
                backoff = LONGEST_BACKOFF.min(backoff.saturating_mul(2));
            }
        }
    }
}

/// Parts the rows whose device has been deleted from the others.
async fn without_gone(database: &mut Database, rows: Rows) -> (Rows, Rows) {
    let devices: HashSet<_> = rows
        .heartbeats
        .iter()
        .map(|row| row.item.device_id.as_uuid())
        .chain(rows.readings.iter().map(|row| row.item.device_id.as_uuid()))
        .collect();
    let devices: Vec<_> = devices.into_iter().collect();
    loop {
        match database.existing_devices(&devices).await {
            Ok(existing) => {
                let existing: HashSet<_> = existing.into_iter().map(DeviceId::from).collect();
                return rows.partition(|device| existing.contains(&device));
            }
            Err(error) => {
                tracing::warn!(%error, "devices not looked up; waiting");
                tokio::time::sleep(FIRST_BACKOFF).await;
            }
        }
    }
}

fn count(rows: &Rows, inserted: u64, started: Instant, clock: Clock) {
    let size = as_count(rows.len());
    throughput::add_stored(rows);
    STORE.stored.increment(inserted);
    STORE.duplicates.increment(size.saturating_sub(inserted));
    STORE.batches.increment(1);
    STORE.batch_size.record(f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)));
    STORE.commit_latency.record(started.elapsed().as_secs_f64());
    if let Some(oldest) = rows.oldest_received_at() {
        STORE.lag.set((clock.now() - oldest).as_seconds_f64());
    }
    tracing::debug!(rows = size, inserted, "batch stored");
    if tracing::enabled!(tracing::Level::TRACE) {
        for row in &rows.heartbeats {
            tracing::trace!(request_id = row.origin.request_id, device_id = %row.item.device_id, "heartbeat stored");
        }
        for row in &rows.readings {
            tracing::trace!(request_id = row.origin.request_id, device_id = %row.item.device_id, "reading stored");
        }
    }
}
