//! The newest of each device in a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rows::{Rows, Stamped};

/// What a batch says is the newest of one device.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its newest heartbeat.
    pub heartbeat_ts: Option<DateTime<Utc>>,
    /// Its newest sensor reading.
    pub reading_ts: Option<DateTime<Utc>>,
    /// The latest it was heard: the earlier of its own timestamp and our receipt, so that neither a clock that runs
    /// ahead nor a backlog that arrives late makes a device look alive when it was not.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// Columns of the statement that updates the devices' state, sorted by device.
#[derive(Debug, Default)]
pub struct StateColumns {
    /// Devices.
    pub device_id: Vec<Uuid>,
    /// [`Newest::heartbeat_ts`].
    pub heartbeat_ts: Vec<Option<DateTime<Utc>>>,
    /// [`Newest::reading_ts`].
    pub reading_ts: Vec<Option<DateTime<Utc>>>,
    /// [`Newest::last_seen_at`].
    pub last_seen_at: Vec<Option<DateTime<Utc>>>,
}

impl StateColumns {
    /// The newest of each device in `rows`.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        let mut newest: BTreeMap<Uuid, Newest> = BTreeMap::new();
        for row in &rows.heartbeats {
            let device = newest.entry(row.item.device_id.as_uuid()).or_default();
            device.heartbeat_ts = device.heartbeat_ts.max(Some(row.item.ts));
            device.see(row, row.item.ts);
        }
        for row in &rows.readings {
            let device = newest.entry(row.item.device_id.as_uuid()).or_default();
            device.reading_ts = device.reading_ts.max(Some(row.item.ts));
            device.see(row, row.item.ts);
        }
        let mut columns = Self::default();
        for (device_id, newest) in newest {
            columns.device_id.push(device_id);
            columns.heartbeat_ts.push(newest.heartbeat_ts);
            columns.reading_ts.push(newest.reading_ts);
            columns.last_seen_at.push(newest.last_seen_at);
        }
        columns
    }
}

impl Newest {
    fn see<T>(&mut self, row: &Stamped<T>, ts: DateTime<Utc>) {
        self.last_seen_at = self.last_seen_at.max(Some(ts.min(row.origin.received_at)));
    }
}
