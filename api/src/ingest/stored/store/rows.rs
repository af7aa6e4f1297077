//! Stored rows, as the items that would make them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::QueryableByName;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, MetricName, Reading, Scalar};

use crate::history::CustomMetrics;
use crate::schema::{heartbeats, readings};

/// A stored heartbeat.
#[derive(QueryableByName)]
#[diesel(table_name = heartbeats, check_for_backend(Pg))]
pub struct HeartbeatRow {
    device_id: DeviceId,
    ts: DateTime<Utc>,
    cpu_usage: Option<f64>,
    ram_usage: Option<f64>,
    disk_free: Option<f64>,
    temperature: Option<f64>,
    latency: Option<f64>,
    connectivity: Option<bool>,
    boot_time: Option<DateTime<Utc>>,
}

/// A stored sensor reading.
#[derive(QueryableByName)]
#[diesel(table_name = readings, check_for_backend(Pg))]
pub struct ReadingRow {
    device_id: DeviceId,
    ts: DateTime<Utc>,
    temperature: Option<f64>,
    humidity: Option<f64>,
    voltage: Option<f64>,
    current: Option<f64>,
    metrics: Option<CustomMetrics>,
}

impl From<HeartbeatRow> for Heartbeat {
    fn from(row: HeartbeatRow) -> Self {
        Self {
            device_id: row.device_id,
            ts: row.ts,
            cpu_usage: quantity(row.cpu_usage),
            ram_usage: quantity(row.ram_usage),
            disk_free: quantity(row.disk_free),
            temperature: quantity(row.temperature),
            latency: quantity(row.latency),
            connectivity: row.connectivity,
            boot_time: row.boot_time,
        }
    }
}

impl From<ReadingRow> for Reading {
    fn from(row: ReadingRow) -> Self {
        let metrics = row.metrics.map(|CustomMetrics(metrics)| metrics).unwrap_or_default();
        let metrics = metrics
            .into_iter()
            .filter_map(|(name, number)| Some((MetricName::try_from(name).ok()?, Scalar::try_from(number).ok()?)));
        Self {
            device_id: row.device_id,
            ts: row.ts,
            temperature: quantity(row.temperature),
            humidity: quantity(row.humidity),
            voltage: quantity(row.voltage),
            current: quantity(row.current),
            metrics: metrics.collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Everything that is stored was in its range when it was accepted.
fn quantity<Q: TryFrom<f64>>(number: Option<f64>) -> Option<Q> {
    number.and_then(|number| number.try_into().ok())
}
