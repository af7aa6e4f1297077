//! A device's measurements as request bodies.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::signal::DeviceModel;

/// What is sent: heartbeats or sensor readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the device measures of itself.
    Heartbeat,
    /// What its sensors measure.
    Reading,
}

#[derive(Serialize)]
struct Heartbeat {
    timestamp: DateTime<Utc>,
    cpu_usage: f64,
    ram_usage: f64,
    disk_free: f64,
    temperature: f64,
    latency: f64,
    connectivity: u8,
    boot_time: DateTime<Utc>,
}

#[derive(Serialize)]
struct Reading {
    timestamp: DateTime<Utc>,
    temperature: f64,
    humidity: f64,
    voltage: f64,
    current: f64,
    metrics: Metrics,
}

#[derive(Serialize)]
struct Metrics {
    co2_ppm: f64,
    #[serde(rename = "pm2.5")]
    pm2_5: f64,
    vibration: f64,
}

impl Kind {
    /// Its route.
    pub fn route(self) -> &'static str {
        match self {
            Self::Heartbeat => "/api/v1/heartbeats",
            Self::Reading => "/api/v1/readings",
        }
    }

    /// What `device` measured at these times: one item as an object, several as an array.
    pub fn body(self, device: &DeviceModel, times: &[Duration]) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Heartbeat => write(times.iter().map(|at| heartbeat(device, *at)).collect()),
            Self::Reading => write(times.iter().map(|at| reading(device, *at)).collect()),
        }
    }
}

fn write<T: Serialize>(items: Vec<T>) -> serde_json::Result<Vec<u8>> {
    match items.as_slice() {
        [single] => serde_json::to_vec(single),
        items => serde_json::to_vec(items),
    }
}

fn heartbeat(device: &DeviceModel, at: Duration) -> Heartbeat {
    let vitals = device.vitals(at);
    Heartbeat {
        timestamp: timestamp(at),
        cpu_usage: vitals.cpu_usage,
        ram_usage: vitals.ram_usage,
        disk_free: vitals.disk_free,
        temperature: vitals.temperature,
        latency: vitals.latency,
        connectivity: u8::from(vitals.connectivity),
        boot_time: timestamp(vitals.booted_at),
    }
}

fn reading(device: &DeviceModel, at: Duration) -> Reading {
    let around = device.surroundings(at);
    Reading {
        timestamp: timestamp(at),
        temperature: around.temperature,
        humidity: around.humidity,
        voltage: around.voltage,
        current: around.current,
        metrics: Metrics { co2_ppm: around.co2, pm2_5: around.pm2_5, vibration: around.vibration },
    }
}

/// A time since 1970 as a timestamp, to the microsecond.
fn timestamp(at: Duration) -> DateTime<Utc> {
    i64::try_from(at.as_micros()).ok().and_then(DateTime::from_timestamp_micros).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::Kind;
    use crate::fleet::signal::DeviceModel;

    const AT: Duration = Duration::from_micros(1_795_262_400_250_000);

    fn body(kind: Kind, times: &[Duration]) -> Value {
        serde_json::from_slice(&kind.body(&DeviceModel::new(1), times).unwrap()).unwrap()
    }

    #[test]
    fn one_measurement_is_an_object_and_several_are_an_array() {
        let heartbeat = body(Kind::Heartbeat, &[AT]);
        assert_eq!(heartbeat["timestamp"], "2026-11-21T12:00:00.250Z");
        assert_eq!(heartbeat.as_object().unwrap().len(), 8);
        assert_eq!(body(Kind::Heartbeat, &[AT, AT]), Value::from(vec![heartbeat.clone(), heartbeat]));
    }

    #[test]
    fn a_reading_has_all_sensors_and_some_metrics() {
        let reading = body(Kind::Reading, &[AT]);
        assert_eq!(reading.as_object().unwrap().len(), 6);
        assert!(reading["metrics"]["pm2.5"].is_f64());
    }
}
