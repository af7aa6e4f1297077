//! What Pulso says of a device's status.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The response of `GET /devices/{id}/timeline`.
#[derive(Debug, Deserialize)]
pub struct Timeline {
    /// The end of the time that it covers.
    pub end: DateTime<Utc>,
    /// How long it was online.
    pub uptime: Uptime,
    /// The changes of its status, the newest first.
    pub changes: Vec<Change>,
}

/// How long a device was online and offline.
#[derive(Debug, Default, Deserialize)]
pub struct Uptime {
    /// Online, s.
    pub online_s: f64,
    /// Offline, s.
    pub offline_s: f64,
}

/// A change of status.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The status from then on.
    pub status: String,
    /// When Pulso decided it.
    pub decided_at: DateTime<Utc>,
}

impl Timeline {
    /// The changes to offline.
    pub fn offline(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.status == "offline")
    }
}
