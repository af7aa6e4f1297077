//! The newest timestamps of each device in a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rows::{Rows, Stamped};

/// The newest timestamps of one device.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    pub heartbeat_ts: Option<DateTime<Utc>>,
    pub reading_ts: Option<DateTime<Utc>>,
    /// The earlier of a row's own timestamp and its receipt, so that neither a device clock that runs ahead nor a
    /// backlog that arrives late makes a device look online when it was not.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The columns of the statement that updates `device_state`, sorted by device.
#[derive(Debug, Default)]
pub struct StateColumns {
    pub device_id: Vec<Uuid>,
    pub heartbeat_ts: Vec<Option<DateTime<Utc>>>,
    pub reading_ts: Vec<Option<DateTime<Utc>>>,
    pub last_seen_at: Vec<Option<DateTime<Utc>>>,
}

impl StateColumns {
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use pulso_shared::amqp::message::Submission;
    use pulso_shared::ids::DeviceId;
    use serde_json::json;
    use uuid::Uuid;

    use super::{Rows, StateColumns};

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn submission(received_at: i64, device: DeviceId, heartbeats: &[i64], readings: &[i64]) -> Submission {
        let rows = |seconds: &[i64]| -> Vec<_> {
            seconds.iter().map(|ts| json!({"device_id": device, "ts": ts * 1_000_000})).collect()
        };
        let value = json!({"request_id": "r", "received_at": received_at * 1_000_000, "heartbeats": rows(heartbeats),
            "readings": rows(readings)});
        serde_json::from_value(value).unwrap()
    }

    fn state(submissions: impl IntoIterator<Item = Submission>) -> StateColumns {
        StateColumns::of(&Rows::gather(submissions).0)
    }

    #[test]
    fn each_device_has_one_entry_with_its_newest_rows_in_the_order_of_ids() {
        let [first, second]: [DeviceId; 2] = [1, 2].map(|id| Uuid::from_u128(id).into());
        let state = state([
            submission(100, second, &[50], &[]),
            submission(100, first, &[30, 40, 20], &[10]),
            submission(100, first, &[35], &[15]),
        ]);
        assert_eq!(state.device_id, [first.as_uuid(), second.as_uuid()]);
        assert_eq!(state.heartbeat_ts, [at(40), at(50)]);
        assert_eq!(state.reading_ts, [at(15), None]);
        assert_eq!(state.last_seen_at, [at(40), at(50)]);
    }

    #[test]
    fn a_device_was_last_seen_at_its_timestamp_or_at_the_receipt_whichever_is_earlier() {
        let device = DeviceId::generate();
        let seen = |received_at, ts| state([submission(received_at, device, &[ts], &[])]).last_seen_at[0];
        assert_eq!(seen(100, 90), at(90), "a backlog that arrives late");
        assert_eq!(seen(100, 110), at(100), "a device clock that runs ahead");
        let both = [submission(100, device, &[200], &[]), submission(105, device, &[], &[103])];
        assert_eq!(state(both).last_seen_at, [at(103)], "the latest of all rows");
    }

    #[test]
    fn no_rows_change_no_device() {
        assert_eq!(state([]).device_id, Vec::<Uuid>::new());
    }
}
