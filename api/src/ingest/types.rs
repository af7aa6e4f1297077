//! Bodies and responses of the ingest routes. The bodies are here for the OpenAPI document alone: [`super::item`] reads
//! them, field by field, because that is the hot path and every field has several names.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::error::FieldError;

/// An item that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedItem {
    /// Its place in the array, from 0.
    pub index: usize,
    /// Everything that is wrong with it; a response lists 100 faults, and then the items only.
    pub errors: Vec<FieldError>,
}

/// What became of a request's items.
#[derive(Debug, Serialize, ToSchema)]
pub struct IngestResponse {
    /// How many were taken: confirmed to the broker's disk, each of them exactly one row.
    #[schema(example = 1)]
    pub accepted: usize,
    /// Those that were not.
    pub rejected: Vec<RejectedItem>,
    /// With `ack=stored`, once all that were taken are committed: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<usize>,
}

/// The answer of `/telemetry`.
#[derive(Serialize, ToSchema)]
pub struct TelemetryResponse {
    /// Always `success`.
    #[schema(example = "success")]
    pub status: &'static str,
    /// Always 1.
    #[schema(example = 1)]
    pub accepted: u8,
    /// With `ack=stored`, once it is committed: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<u8>,
}

/// The answer of `/data`: the reading.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2}))]
pub struct DataResponse {
    /// Which device.
    pub server_ulid: DeviceId,
    /// When it was measured.
    pub timestamp: DateTime<Utc>,
    /// The sensors that were sent.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub values: Value,
    /// With `ack=stored`, once it is committed: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<u8>,
}

/// A heartbeat as it is sent. The device may also be named `device_uuid`, `deviceId`, `device_sn` or `server_ulid`;
/// the documentation lists the other names of each field.
#[derive(ToSchema)]
#[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "ram_usage": 63.0, "disk_free": 72.4, "temperature": 48.0, "latency": 12.5, "connectivity": 1,
    "boot_time": "2026-11-20T08:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct HeartbeatBody {
    /// Which device; may be left out where the token or the path says it.
    device_id: Option<String>,
    /// When it was measured (RFC 3339; without an offset UTC); default: now.
    timestamp: Option<DateTime<Utc>>,
    /// Processor in use, %.
    #[schema(minimum = 0, maximum = 100)]
    cpu_usage: Option<f64>,
    /// Memory in use, %.
    #[schema(minimum = 0, maximum = 100)]
    ram_usage: Option<f64>,
    /// Disk still free, %.
    #[schema(minimum = 0, maximum = 100)]
    disk_free: Option<f64>,
    /// Temperature of the device, °C.
    #[schema(minimum = -273.15, maximum = 10000)]
    temperature: Option<f64>,
    /// Network latency, ms.
    #[schema(minimum = 0, maximum = 86400000)]
    latency: Option<f64>,
    /// 1 or true: connected.
    #[schema(minimum = 0, maximum = 1)]
    connectivity: Option<u8>,
    /// When the device started.
    boot_time: Option<DateTime<Utc>>,
}

/// A sensor reading as it is sent: at least one number.
#[derive(ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2, "voltage": 220.0, "current": 1.5, "metrics": {"pm2.5": 7}}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct ReadingBody {
    /// Which device; may be left out where the token or the path says it.
    server_ulid: Option<String>,
    /// When it was measured (RFC 3339; without an offset UTC); default: now.
    timestamp: Option<DateTime<Utc>>,
    /// Temperature, °C.
    #[schema(minimum = -273.15, maximum = 10000)]
    temperature: Option<f64>,
    /// Relative humidity, %.
    #[schema(minimum = 0, maximum = 100)]
    humidity: Option<f64>,
    /// Voltage, V.
    voltage: Option<f64>,
    /// Current, A.
    current: Option<f64>,
    /// Up to 32 further numbers by name.
    metrics: Option<std::collections::BTreeMap<String, f64>>,
}
