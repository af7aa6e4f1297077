//! Rows by their identity: device and instant.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

/// A row's identity.
pub type Key = (DeviceId, DateTime<Utc>);

/// Rows of both tables.
#[derive(Debug, Default)]
pub struct Keys {
    pub heartbeats: HashSet<Key>,
    pub readings: HashSet<Key>,
}

impl Keys {
    /// The rows that a submission will be.
    pub fn of(submission: &Submission) -> Self {
        Self {
            heartbeats: submission.heartbeats.iter().map(|item| (item.device_id, item.ts)).collect(),
            readings: submission.readings.iter().map(|item| (item.device_id, item.ts)).collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn extend(&mut self, other: &Self) {
        self.heartbeats.extend(&other.heartbeats);
        self.readings.extend(&other.readings);
    }

    pub fn remove(&mut self, other: &Self) {
        self.heartbeats.retain(|key| !other.heartbeats.contains(key));
        self.readings.retain(|key| !other.readings.contains(key));
    }
}
