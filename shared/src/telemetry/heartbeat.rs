//! A device's report about itself.

use chrono::serde::{ts_microseconds, ts_microseconds_option};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::quantity::{Celsius, Milliseconds, Percent};
use crate::ids::DeviceId;

/// One heartbeat. Every measurement is optional: an empty heartbeat says "alive". The order of the fields is the wire
/// format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who sent it.
    pub device_id: DeviceId,
    /// When the device measured it; with `device_id`, the reading's identity.
    #[serde(with = "ts_microseconds")]
    pub ts: DateTime<Utc>,
    /// Processor in use, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_usage: Option<Percent>,
    /// Memory in use, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram_usage: Option<Percent>,
    /// Disk still free, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<Percent>,
    /// Temperature of the device, °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Celsius>,
    /// Network latency, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Milliseconds>,
    /// Whether the device has a connection to the wider network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<bool>,
    /// When the device started.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ts_microseconds_option")]
    pub boot_time: Option<DateTime<Utc>>,
}
