//! The worker's metrics; `docs/operations.md` lists them.

use std::sync::LazyLock;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Handles of the storage path, made once.
pub struct StoreMetrics {
    /// Rows inserted.
    pub stored: Counter,
    /// Items that gave values to a row of their device and instant.
    pub merged: Counter,
    /// Items whose values, or others of the same metrics, were in the row already.
    pub duplicates: Counter,
    /// Batches committed.
    pub batches: Counter,
    /// Rows in a batch.
    pub batch_size: Histogram,
    /// Duration of a batch's transaction, s.
    pub commit_latency: Histogram,
    /// Attempts that failed and were, or will be, repeated.
    pub retries: Counter,
    /// From the API's receipt of the newest batch's oldest reading to its commit, s.
    pub lag: Gauge,
    /// Messages ready in the store queue.
    pub queue_depth: Gauge,
    /// Rows that were not stored, because their device is deleted.
    pub dropped_device_gone: Counter,
    /// At the worker that moves them: dead letters that wait for a place in the dead-letter queue.
    pub dead_letters_waiting: Gauge,
}

pub static STORE: LazyLock<StoreMetrics> = LazyLock::new(|| StoreMetrics {
    stored: counter!("pulso_stored_total"),
    merged: counter!("pulso_merged_total"),
    duplicates: counter!("pulso_duplicates_total"),
    batches: counter!("pulso_store_batches_total"),
    batch_size: histogram!("pulso_store_batch_size"),
    commit_latency: histogram!("pulso_commit_latency_seconds"),
    retries: counter!("pulso_store_retries_total"),
    lag: gauge!("pulso_queue_lag_seconds"),
    queue_depth: gauge!("pulso_queue_depth_messages"),
    dropped_device_gone: counter!("pulso_dropped_total", "reason" => "device_gone"),
    dead_letters_waiting: gauge!("pulso_dead_letters_waiting"),
});

/// Handles of the offline detector; they change only in the worker that leads.
pub struct OfflineDetectorMetrics {
    /// Whether this worker leads, 0 or 1.
    pub leader: Gauge,
    /// Age of the watermark, s.
    pub watermark_lag: Gauge,
    /// Duration of one tick, s.
    pub tick: Histogram,
    /// Devices online, by the timeline.
    pub online: Gauge,
}

pub static OFFLINE_DETECTOR: LazyLock<OfflineDetectorMetrics> = LazyLock::new(|| OfflineDetectorMetrics {
    leader: gauge!("pulso_offline_detector_leader"),
    watermark_lag: gauge!("pulso_watermark_lag_seconds"),
    tick: histogram!("pulso_offline_detector_tick_seconds"),
    online: gauge!("pulso_devices_online"),
});

/// Handles of the purges of deleted accounts and devices.
pub struct PurgeMetrics {
    /// Devices whose data is deleted.
    pub devices: Counter,
    /// Rows deleted.
    pub rows: Counter,
    accounts_pending: Gauge,
    devices_pending: Gauge,
}

pub static PURGE: LazyLock<PurgeMetrics> = LazyLock::new(|| PurgeMetrics {
    devices: counter!("pulso_purged_devices_total"),
    rows: counter!("pulso_purged_rows_total"),
    accounts_pending: gauge!("pulso_purges_pending", "kind" => "account"),
    devices_pending: gauge!("pulso_purges_pending", "kind" => "device"),
});

impl PurgeMetrics {
    /// Sets how many deleted accounts and devices have something left.
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub fn set_pending(&self, accounts: i64, devices: i64) {
        self.accounts_pending.set(accounts as f64);
        self.devices_pending.set(devices as f64);
    }
}

/// Counts status changes of devices.
pub fn count_status_changes(status: &'static str, count: usize) {
    counter!("pulso_status_changes_total", "status" => status).increment(as_count(count));
}

/// Counts a dead letter.
pub fn count_dead_letter(reason: &'static str) {
    counter!("pulso_dead_letters_total", "reason" => reason).increment(1);
}

/// Sets the size of a table's default partition.
pub fn set_default_partition_bytes(table: &'static str, bytes: i64) {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge!("pulso_default_partition_bytes", "table" => table).set(bytes as f64);
}

/// A length as a counter's increment.
pub fn as_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
