//! What Pulso says of a device.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// A device's timeline, as `GET /devices/{id}/timeline` answers it.
#[derive(Debug, Deserialize)]
pub struct Timeline {
    /// Up to when it is known.
    pub end: DateTime<Utc>,
    /// How long it was there.
    pub uptime: Uptime,
    /// When it went and came back, the newest first.
    pub changes: Vec<Change>,
}

/// How long a device was there.
#[derive(Debug, Default, Deserialize)]
pub struct Uptime {
    /// It was, s.
    pub online_s: f64,
    /// It was not, s.
    pub offline_s: f64,
}

/// One change.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What it was from then on.
    pub status: String,
    /// When Pulso was sure of it.
    pub decided_at: DateTime<Utc>,
}

impl Timeline {
    /// When the device was called offline.
    pub fn offline(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.status == "offline")
    }
}
