//! Rows by their identity: device and instant.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

/// A row's identity.
pub type Key = (DeviceId, DateTime<Utc>);

/// Rows of both tables, each once.
#[derive(Debug, Default)]
pub struct Keys {
    /// Of heartbeats.
    pub heartbeats: HashSet<Key>,
    /// Of sensor readings.
    pub readings: HashSet<Key>,
}

impl Keys {
    /// The rows that a submission will be.
    #[must_use]
    pub fn of(submission: &Submission) -> Self {
        Self {
            heartbeats: submission.heartbeats.iter().map(|item| (item.device_id, item.ts)).collect(),
            readings: submission.readings.iter().map(|item| (item.device_id, item.ts)).collect(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
