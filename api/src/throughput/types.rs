//! Responses.

use pulso_shared::throughput::RATE_WINDOW;
use serde::Serialize;
use utoipa::ToSchema;

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
    #[schema(example = 12)]
    total: i64,
    #[schema(example = 11)]
    online: i64,
    #[schema(example = 1)]
    offline: i64,
}

impl FleetSummaryResponse {
    /// Of `total` devices, `online` of them online, and of the readings of one rate window.
    pub fn new((total, online): (i64, i64), (accepted, stored): (i64, i64), queue_depth: Option<u32>) -> Self {
        Self {
            devices: DevicesByStatus { total, online, offline: total.saturating_sub(online) },
            accepted_per_s: per_second(accepted),
            stored_per_s: per_second(stored),
            queue_depth,
        }
    }
}

#[expect(clippy::as_conversions, reason = "a minute's readings are far below 2^53")]
fn per_second(count: i64) -> f64 {
    count as f64 / RATE_WINDOW.as_seconds_f64()
}
