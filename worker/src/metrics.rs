//! What the worker counts.

use std::sync::LazyLock;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The storage path's handles, made once.
pub struct StoreMetrics {
    /// Rows inserted.
    pub stored: Counter,
    /// Rows that were there already.
    pub duplicates: Counter,
    /// Batches committed.
    pub batches: Counter,
    /// Rows in a batch.
    pub batch_size: Histogram,
    /// Time of a batch's transaction, s.
    pub commit_latency: Histogram,
    /// Attempts that failed for a passing reason.
    pub retries: Counter,
    /// From the API's receipt of the oldest reading in the newest batch to its commit, s.
    pub lag: Gauge,
    /// Messages waiting in the store queue.
    pub queue_depth: Gauge,
    /// Whether a batch waits because its dead letters are not taken, 0 or 1.
    pub dead_letters_waiting: Gauge,
}

/// The storage path's metrics.
pub static STORE: LazyLock<StoreMetrics> = LazyLock::new(|| StoreMetrics {
    stored: counter!("pulso_stored_total"),
    duplicates: counter!("pulso_duplicates_total"),
    batches: counter!("pulso_store_batches_total"),
    batch_size: histogram!("pulso_store_batch_size"),
    commit_latency: histogram!("pulso_commit_latency_seconds"),
    retries: counter!("pulso_store_retries_total"),
    lag: gauge!("pulso_queue_lag_seconds"),
    queue_depth: gauge!("pulso_queue_depth_messages"),
    dead_letters_waiting: gauge!("pulso_dead_letters_waiting"),
});

/// The offline clock's handles; only one worker's move.
pub struct ClockMetrics {
    /// Whether this worker keeps the clock, 0 or 1.
    pub leads: Gauge,
    /// How old the newest instant is up to which everything received is stored, s.
    pub heard_lag: Gauge,
    /// Time of one look at who has gone or is back, s.
    pub tick: Histogram,
    /// Devices that are there, by the timeline.
    pub online: Gauge,
}

/// The offline clock's metrics.
pub static CLOCK: LazyLock<ClockMetrics> = LazyLock::new(|| ClockMetrics {
    leads: gauge!("pulso_clock_leads"),
    heard_lag: gauge!("pulso_heard_lag_seconds"),
    tick: histogram!("pulso_clock_tick_seconds"),
    online: gauge!("pulso_devices_online"),
});

/// Counts changes of devices' status.
pub fn count_status_changes(status: &'static str, count: usize) {
    counter!("pulso_status_changes_total", "status" => status).increment(as_count(count));
}

/// Counts a message or a row that went to the dead letters.
pub fn count_dead_letter(reason: &'static str) {
    counter!("pulso_dead_letters_total", "reason" => reason).increment(1);
}

/// A count as a metric's number.
#[must_use]
pub fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
