//! Rows as they are stored and as responses hold them: the names and the numbers are the same. What was not sent is left
//! out.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::{Queryable, QueryableByName, Selectable};
use pulso_shared::ids::DeviceId;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::custom_metrics::CustomMetrics;
use crate::aggregation::Metric;
use crate::schema::{heartbeats, readings};

/// A stored heartbeat.
#[derive(Debug, Clone, Serialize, ToSchema, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = heartbeats, check_for_backend(Pg))]
pub struct HeartbeatRow {
    /// When the device measured it.
    #[diesel(column_name = ts)]
    #[schema(example = "2026-11-21T12:00:00Z")]
    pub timestamp: DateTime<Utc>,
    /// Processor in use, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 41.5)]
    pub cpu_usage: Option<f64>,
    /// Memory in use, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 63.0)]
    pub ram_usage: Option<f64>,
    /// Disk still free, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 72.4)]
    pub disk_free: Option<f64>,
    /// Temperature of the device, °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 48.0)]
    pub temperature: Option<f64>,
    /// Network latency, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 12.5)]
    pub latency: Option<f64>,
    /// Whether the device had a connection to the wider network: 0 or 1; of a point, what its statistic makes of them.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "zero_or_one")]
    #[schema(value_type = Option<f64>, example = 1)]
    pub connectivity: Option<bool>,
    /// When the device started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11-20T08:00:00Z")]
    pub boot_time: Option<DateTime<Utc>>,
    /// When it reached Pulso; left out of points.
    #[schema(required = false, example = "2026-11-21T12:00:00.012345Z")]
    pub received_at: DateTime<Utc>,
}

/// A stored sensor reading.
#[derive(Debug, Clone, Serialize, ToSchema, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = readings, check_for_backend(Pg))]
pub struct ReadingRow {
    /// When it was measured.
    #[diesel(column_name = ts)]
    #[schema(example = "2026-11-21T12:00:00Z")]
    pub timestamp: DateTime<Utc>,
    /// Temperature, °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 25.5)]
    pub temperature: Option<f64>,
    /// Relative humidity, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 60.2)]
    pub humidity: Option<f64>,
    /// Voltage, V.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 220.0)]
    pub voltage: Option<f64>,
    /// Current, A.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1.5)]
    pub current: Option<f64>,
    /// Further numbers by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, f64>>, example = json!({"pm2.5": 7}))]
    pub metrics: Option<CustomMetrics>,
    /// When it reached Pulso; left out of points.
    #[schema(required = false, example = "2026-11-21T12:00:00.012345Z")]
    pub received_at: DateTime<Utc>,
}

/// What heartbeats and readings have in common.
pub trait Row: Serialize {
    /// Fixed columns, then custom metrics.
    const COLUMNS: &'static [&'static str];

    fn timestamp(&self) -> DateTime<Utc>;

    /// Removes every number but these.
    fn retain_metrics(&mut self, metrics: &[Metric]);
}

impl Row for HeartbeatRow {
    const COLUMNS: &'static [&'static str] =
        &["cpu_usage", "ram_usage", "disk_free", "temperature", "latency", "connectivity", "boot_time"];

    fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    fn retain_metrics(&mut self, metrics: &[Metric]) {
        let is_wanted = |name: &str| metrics.iter().any(|metric| metric.name() == name);
        self.cpu_usage.take_if(|_| !is_wanted("cpu_usage"));
        self.ram_usage.take_if(|_| !is_wanted("ram_usage"));
        self.disk_free.take_if(|_| !is_wanted("disk_free"));
        self.temperature.take_if(|_| !is_wanted("temperature"));
        self.latency.take_if(|_| !is_wanted("latency"));
        self.connectivity.take_if(|_| !is_wanted("connectivity"));
        self.boot_time = None;
    }
}

impl Row for ReadingRow {
    const COLUMNS: &'static [&'static str] = &["temperature", "humidity", "voltage", "current", "metrics"];

    fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    fn retain_metrics(&mut self, metrics: &[Metric]) {
        let is_wanted = |name: &str| metrics.iter().any(|metric| metric.name() == name);
        self.temperature.take_if(|_| !is_wanted("temperature"));
        self.humidity.take_if(|_| !is_wanted("humidity"));
        self.voltage.take_if(|_| !is_wanted("voltage"));
        self.current.take_if(|_| !is_wanted("current"));
        self.metrics.take_if(|custom| custom.retain(is_wanted) == 0);
    }
}

/// The newest of what a device sent; `null` where it has sent none.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Latest {
    /// The newest heartbeat.
    #[schema(required)]
    pub heartbeat: Option<HeartbeatRow>,
    /// The newest sensor reading.
    #[schema(required)]
    pub reading: Option<ReadingRow>,
}

/// The answer of `/devices/{id}/latest`.
#[derive(Debug, Serialize, ToSchema)]
pub struct LatestResponse {
    /// The device.
    pub device_id: DeviceId,
    /// The newest heartbeat.
    #[schema(required)]
    pub heartbeat: Option<HeartbeatRow>,
    /// The newest sensor reading.
    #[schema(required)]
    pub reading: Option<ReadingRow>,
}

fn zero_or_one<S: Serializer>(value: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(u8::from).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::HeartbeatRow;

    #[test]
    fn what_was_not_sent_is_left_out_and_zero_is_a_value() {
        let row = HeartbeatRow {
            timestamp: "2026-11-21T12:00:00Z".parse().unwrap(),
            cpu_usage: Some(0.0),
            ram_usage: Some(0.1 + 0.2),
            disk_free: None,
            temperature: None,
            latency: None,
            connectivity: Some(false),
            boot_time: None,
            received_at: "2026-11-21T12:00:00.000250Z".parse().unwrap(),
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&row).unwrap(), @r#"
        {
          "timestamp": "2026-11-21T12:00:00Z",
          "cpu_usage": 0.0,
          "ram_usage": 0.30000000000000004,
          "connectivity": 0,
          "received_at": "2026-11-21T12:00:00.000250Z"
        }
        "#);
    }
}
