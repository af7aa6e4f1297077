//! The message body: a JSON array of [`Submission`]s, one for each accepted HTTP request.
//!
//! ```text
//! [submission…]
//! submission: [request_id, received_at, [heartbeat…], [reading…]]
//! heartbeat:  [device_id, ts, cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time]
//! reading:    [device_id, ts, temperature, humidity, voltage, current, {metric: number…}]
//! ```
//!
//! JSON, because people and other programs can read it, and because submissions are joined into a message by
//! concatenation. Values by position: their names would be more than half of a heartbeat's bytes, and the broker copies
//! each byte several times (`docs/performance.md`). Instants are microseconds since 1970; what was not measured is
//! `null`. The order is that of the structs' fields; a change of it is a new version of the message.

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::telemetry::{Heartbeat, Reading};

/// The AMQP `type` property of our messages: kind and version. A reader refuses what it does not know.
pub const MESSAGE_TYPE: &str = "pulso.telemetry.v2";

/// The previous version, in which each value had its name. Still read: messages of that version may wait in a queue for
/// long.
pub const NAMED_MESSAGE_TYPE: &str = "pulso.telemetry.v1";

/// The AMQP `content-type` property of our messages.
pub const CONTENT_TYPE: &str = "application/json";

/// The AMQP `delivery-mode` of messages that must survive a restart of the broker.
pub const PERSISTENT: u8 = 2;

/// The readings of one request. The order of the fields is the wire format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The HTTP request's id, for the logs on both sides.
    pub request_id: String,
    /// When the API accepted it.
    #[serde(with = "ts_microseconds")]
    pub received_at: DateTime<Utc>,
    /// May be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heartbeats: Vec<Heartbeat>,
    /// May be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
}

impl Submission {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Appends one submission; the caller writes the array's brackets and commas.
pub fn encode(submission: &Submission, into: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(into, &Positional(submission))
}

/// Reads a body of this version or the previous one. Values outside their range are errors.
pub fn decode(body: &[u8]) -> serde_json::Result<Vec<Submission>> {
    serde_json::from_slice(body)
}

/// Serializes a value by position. Deserializing needs no counterpart: serde reads a struct from an array, in the order
/// of its fields, as well as from an object.
struct Positional<'a, T>(&'a T);

#[derive(Serialize)]
struct Micros(#[serde(with = "ts_microseconds")] DateTime<Utc>);

impl Serialize for Positional<'_, Submission> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Submission { request_id, received_at, heartbeats, readings } = self.0;
        (request_id, Micros(*received_at), Positional(heartbeats), Positional(readings)).serialize(serializer)
    }
}

impl<T> Serialize for Positional<'_, Vec<T>>
where
    for<'a> Positional<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Positional))
    }
}

impl Serialize for Positional<'_, Heartbeat> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Heartbeat { device_id, ts, cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time } =
            self.0;
        let boot_time = boot_time.map(Micros);
        (device_id, Micros(*ts), cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time)
            .serialize(serializer)
    }
}

impl Serialize for Positional<'_, Reading> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Reading { device_id, ts, temperature, humidity, voltage, current, metrics } = self.0;
        (device_id, Micros(*ts), temperature, humidity, voltage, current, metrics).serialize(serializer)
    }
}
