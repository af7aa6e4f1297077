//! Accepted readings, counted once, when the broker has confirmed them: in all, and by device.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pulso_shared::ids::DeviceId;

use super::metrics::PUBLISH;
use crate::http::thread_counts::{ThreadCounter, ThreadCounts};

/// The counts of this process.
#[derive(Debug, Default)]
pub struct AcceptedCounts {
    total: AtomicU64,
    by_device: ThreadCounts<DeviceId>,
}

impl AcceptedCounts {
    /// Readings accepted since the process started.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Readings accepted by device since the last call.
    pub fn take_by_device(&self) -> HashMap<DeviceId, u64> {
        self.by_device.take()
    }
}

/// The counts of one HTTP thread, which are part of the process's.
pub struct AcceptedCounter {
    process: Arc<AcceptedCounts>,
    by_device: ThreadCounter<DeviceId>,
}

impl AcceptedCounter {
    pub fn new(process: Arc<AcceptedCounts>) -> Self {
        let by_device = process.by_device.counter();
        Self { process, by_device }
    }

    /// Counts one reading of each of `devices`.
    pub fn add(&self, devices: Vec<DeviceId>) {
        let readings = u64::try_from(devices.len()).unwrap_or(u64::MAX);
        let before = self.process.total.fetch_add(readings, Ordering::Relaxed);
        // The exposed counter follows this one; of two threads' values the larger stays.
        PUBLISH.accepted.absolute(before.saturating_add(readings));
        self.by_device.add(devices.into_iter().map(|device| (device, 1)));
    }
}
