//! A fleet's summary.

use pulso_shared::throughput::RATE_WINDOW;
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{DeviceCounts, ReadingCounts};

/// A fleet at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetSummaryResponse {
    /// One's own devices, servers among them, by their status now.
    devices: DevicesByStatus,
    /// Heartbeats and sensor readings of one's own devices accepted, a second, over the last whole minute.
    #[schema(example = 41.5)]
    accepted_per_s: f64,
    /// Those brought to the database, a second, over the same minute; what was there already counts too.
    #[schema(example = 41.5)]
    stored_per_s: f64,
    /// Messages that wait to be stored in the whole installation, each with one reading or many; `null` when the broker
    /// does not answer.
    #[schema(required, example = 0)]
    queue_depth: Option<u32>,
}

/// Devices by status.
#[derive(Debug, Serialize, ToSchema)]
struct DevicesByStatus {
    /// All of them.
    #[schema(example = 12)]
    total: i64,
    /// Those that are there.
    #[schema(example = 11)]
    online: i64,
    /// Those that are not.
    #[schema(example = 1)]
    offline: i64,
}

impl FleetSummaryResponse {
    /// The answer that shows these counts.
    #[must_use]
    pub fn new(devices: DeviceCounts, readings: ReadingCounts, queue_depth: Option<u32>) -> Self {
        let DeviceCounts { total, online } = devices;
        Self {
            devices: DevicesByStatus { total, online, offline: total.saturating_sub(online) },
            accepted_per_s: per_second(readings.accepted),
            stored_per_s: per_second(readings.stored),
            queue_depth,
        }
    }
}

#[expect(clippy::as_conversions, reason = "a minute's readings are far below 2^53")]
fn per_second(count: i64) -> f64 {
    count as f64 / RATE_WINDOW.as_seconds_f64()
}
