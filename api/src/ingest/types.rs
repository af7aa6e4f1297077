//! Bodies and responses of the ingest routes. The bodies are here for the OpenAPI document alone: [`super::item`] reads
//! them, field by field, because that is the hot path and every field has several names.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

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
    /// How many were taken: confirmed to the broker's disk, each of them in exactly one row.
    #[schema(example = 1)]
    pub accepted: usize,
    /// Those that were not.
    pub rejected: Vec<RejectedItem>,
    /// With `ack=stored`, once the values of all that were taken are committed: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<usize>,
    /// With `ack=stored`: the places of those of which another value of the same metric, device and instant was first, and
    /// counts. Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub conflicting: Vec<usize>,
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
    /// With `ack=stored`: `[0]` where another value of the same metric and instant was first, and counts. Else left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub conflicting: Vec<usize>,
}

/// The answer of `/data`: the reading as it was sent; with `ack=stored`, as it is stored, which is with all values of its
/// instant, the first of each metric.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2}))]
pub struct DataResponse {
    /// Which device.
    pub server_ulid: DeviceId,
    /// When it was measured.
    pub timestamp: DateTime<Utc>,
    /// The sensors and their values.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub values: Value,
    /// With `ack=stored`, once it is committed: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<u8>,
    /// With `ack=stored`: `[0]` where another value of the same metric and instant was first, and counts. Else left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub conflicting: Vec<usize>,
}

/// A heartbeat as it is sent. The device may also be named `device_uuid`, `deviceId`, `device_sn` or `server_ulid`;
/// the documentation lists the other names of each field.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "ram_usage": 63.0, "disk_free": 72.4, "temperature": 48.0, "latency": 12.5, "connectivity": 1,
    "boot_time": "2026-11-20T08:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct HeartbeatBody {
    /// Which device; may be left out where the token says it.
    #[schema(
        pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9]{12})$"
    )]
    device_id: Option<String>,
    #[serde(flatten)]
    values: HeartbeatValues,
}

/// Numbers of a heartbeat; the path says which device.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "ram_usage": 63.0, "disk_free": 72.4, "temperature": 48.0, "latency": 12.5, "connectivity": 1,
    "boot_time": "2026-11-20T08:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct HeartbeatValues {
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
    #[schema(schema_with = connectivity_schema)]
    connectivity: Option<u8>,
    /// When the device started.
    boot_time: Option<DateTime<Utc>>,
}

/// A sensor reading as it is sent: at least one number.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"server_ulid": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "temperature": 25.5, "humidity": 60.2, "voltage": 220.0, "current": 1.5, "metrics": {"pm2.5": 7}}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct ReadingBody {
    /// Which device; may be left out where the token says it.
    #[schema(
        pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9]{12})$"
    )]
    server_ulid: Option<String>,
    #[serde(flatten)]
    values: ReadingValues,
}

/// Numbers of a sensor reading, at least one; the path says which device.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "timestamp": "2026-11-21T12:00:00Z",
    "cpu_usage": 41.5, "ram_usage": 63.0, "disk_free": 72.4, "temperature": 48.0, "latency": 12.5, "connectivity": 1,
    "boot_time": "2026-11-20T08:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; super::item reads it field by field")]
pub struct ReadingValues {
    /// When it was measured (RFC 3339; without an offset UTC); default: now.
    timestamp: Option<DateTime<Utc>>,
    /// Temperature, °C.
    #[schema(minimum = -273.15, maximum = 10000)]
    temperature: Option<f64>,
    /// Relative humidity, %.
    #[schema(minimum = 0, maximum = 100)]
    humidity: Option<f64>,
    /// Voltage, V.
    #[schema(minimum = -2000000, maximum = 2000000)]
    voltage: Option<f64>,
    /// Current, A.
    #[schema(minimum = -1000000, maximum = 1000000)]
    current: Option<f64>,
    /// Up to 32 further numbers by name.
    #[schema(schema_with = metrics_schema)]
    metrics: Option<std::collections::BTreeMap<String, f64>>,
}

fn connectivity_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Boolean, Type::Null]))
        .description(Some("1 or true: connected."))
        .minimum(Some(0))
        .maximum(Some(1))
        .build()
        .into()
}

fn metrics_schema() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_.:/-]{1,64}$"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some("Up to 32 further numbers by name."))
        .property_names(Some(name))
        .additional_properties(Some(ObjectBuilder::new().schema_type(Type::Number)))
        .max_properties(Some(32))
        .build()
        .into()
}
