//! What travels through RabbitMQ: a JSON array of [`Submission`]s, one for each HTTP request that was accepted.
//!
//! JSON, because people and other programs can read what lies in a queue, and because submissions are then joined
//! into one message by writing them one after the other; without names, because each byte costs the broker something
//! (`wire.rs`, `docs/performance.md`).

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::wire::Out;
use crate::telemetry::{Heartbeat, Reading};

/// The AMQP `type` property of our messages: kind and version. A reader refuses what it does not know.
pub const MESSAGE_TYPE: &str = "pulso.telemetry.v2";

/// The version before, which had a name with each value. It is still read: what an API of that version has accepted
/// may lie in the queue for long.
pub const NAMED_MESSAGE_TYPE: &str = "pulso.telemetry.v1";

/// The AMQP `content-type` property of our messages.
pub const CONTENT_TYPE: &str = "application/json";

/// What one request brought. The order of the fields is that of the values in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The id of the HTTP request, for the logs on both sides.
    pub request_id: String,
    /// When we accepted it.
    #[serde(with = "ts_microseconds")]
    pub received_at: DateTime<Utc>,
    /// The heartbeats in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heartbeats: Vec<Heartbeat>,
    /// The sensor readings in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<Reading>,
}

impl Submission {
    /// How many rows it will be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    /// Whether it brings nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes one element of the JSON array that a message's body is.
///
/// # Errors
/// When a value cannot be written as JSON, which none in a submission is.
pub fn encode(submission: &Submission, into: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(into, &Out(submission))
}

/// Reads a message's body, of this version or the one before.
///
/// # Errors
/// When the body is not a JSON array of submissions, or a value in it is outside its range.
pub fn decode(body: &[u8]) -> serde_json::Result<Vec<Submission>> {
    serde_json::from_slice(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Submission, decode, encode};

    const DEVICE: &str = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA";

    fn submission() -> Submission {
        serde_json::from_value(json!({"request_id": "r", "received_at": 1, "heartbeats": [
            {"device_id": DEVICE, "ts": 2, "cpu_usage": 41.5, "ram_usage": 42.5, "disk_free": 43.5, "temperature": 44.5,
                "latency": 45.5, "connectivity": false, "boot_time": -3},
            {"device_id": DEVICE, "ts": 4},
        ], "readings": [{"device_id": DEVICE, "ts": 5, "temperature": 51.5, "humidity": 52.5, "voltage": 53.5,
            "current": 54.5, "metrics": {"tank/level": 0.5}}]}))
        .unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut body = b"[".to_vec();
        encode(&submission(), &mut body).unwrap();
        body.push(b']');
        let text = String::from_utf8(body.clone()).unwrap();
        let written = json!([["r", 1,
            [[DEVICE, 2, 41.5, 42.5, 43.5, 44.5, 45.5, false, -3], [DEVICE, 4, null, null, null, null, null, null, null]],
            [[DEVICE, 5, 51.5, 52.5, 53.5, 54.5, {"tank/level": 0.5}]],
        ]]);
        assert_eq!(text, written.to_string());
        assert_eq!(decode(&body).unwrap(), [submission()]);
    }

    #[test]
    fn the_version_before_is_read_too() {
        let body = serde_json::to_vec(&[submission()]).unwrap();
        assert_eq!(decode(&body).unwrap(), [submission()]);
    }

    #[test]
    fn values_out_of_place_or_range_are_refused() {
        let of = |heartbeat: serde_json::Value| json!([["r", 1, [heartbeat], []]]).to_string();
        assert!(decode(of(json!([DEVICE, 2, 100, 0, null, null, null, null, null])).as_bytes()).is_ok());
        for bad in [
            json!([DEVICE, 2, 100.5, 0, null, null, null, null, null]),
            json!([DEVICE]),
            json!([DEVICE, 2, 100, 0, null, null, null, null, null, null]),
            json!([2, DEVICE, 100, 0, null, null, null, null, null]),
        ] {
            assert!(decode(of(bad.clone()).as_bytes()).is_err(), "{bad}");
        }
    }
}
