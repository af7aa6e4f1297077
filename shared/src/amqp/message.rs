//! What travels through RabbitMQ: a JSON array of [`Submission`]s, one for each HTTP request that was accepted.
//!
//! JSON, because people and other programs can read what lies in a queue, and because submissions are then joined
//! into one message by writing them one after the other. Next to the rest of the path its cost is small
//! (`docs/performance.md`).

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::telemetry::{Heartbeat, Reading};

/// The AMQP `type` property of our messages: kind and version. A reader refuses what it does not know.
pub const MESSAGE_TYPE: &str = "pulso.telemetry.v1";

/// The AMQP `content-type` property of our messages.
pub const CONTENT_TYPE: &str = "application/json";

/// What one request brought.
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

/// Reads a message's body.
///
/// # Errors
/// When the body is not a JSON array of submissions, or a value in it is outside its range.
pub fn decode(body: &[u8]) -> Result<Vec<Submission>, serde_json::Error> {
    serde_json::from_slice(body)
}
