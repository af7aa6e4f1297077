//! How a submission is written in a message: its values in an agreed order, without their names. The names would be more
//! than half of a heartbeat's bytes, and the broker copies each byte several times.
//!
//! ```text
//! [request_id, received_at, [heartbeat…], [reading…]]
//! heartbeat: [device_id, ts, cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time]
//! reading:   [device_id, ts, temperature, humidity, voltage, current, {metric: number…}]
//! ```
//!
//! Instants are microseconds since 1970; what was not measured is `null`. The order is that of the fields in
//! [`crate::telemetry`]; it belongs to the message's version.

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::message::Submission;
use crate::telemetry::{Heartbeat, Reading};

/// A submission, heartbeat or reading, written so. Reading needs nothing of the kind: serde takes the values of a struct
/// in the order of its fields, or by their names.
pub struct Out<'a, T>(pub &'a T);

#[derive(Serialize)]
struct Micros(#[serde(with = "ts_microseconds")] DateTime<Utc>);

impl Serialize for Out<'_, Submission> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Submission { request_id, received_at, heartbeats, readings } = self.0;
        (request_id, Micros(*received_at), Out(heartbeats), Out(readings)).serialize(serializer)
    }
}

impl<T> Serialize for Out<'_, Vec<T>>
where
    for<'a> Out<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Out))
    }
}

impl Serialize for Out<'_, Heartbeat> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Heartbeat { device_id, ts, cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time } =
            self.0;
        let boot_time = boot_time.map(Micros);
        (device_id, Micros(*ts), cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time)
            .serialize(serializer)
    }
}

impl Serialize for Out<'_, Reading> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Reading { device_id, ts, temperature, humidity, voltage, current, metrics } = self.0;
        (device_id, Micros(*ts), temperature, humidity, voltage, current, metrics).serialize(serializer)
    }
}
