//! The rows of a batch, in the order in which they are written.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, Reading};

/// Where a row came from.
#[derive(Debug)]
pub struct Origin {
    /// The id of the HTTP request that brought it.
    pub request_id: String,
    /// When the API accepted it.
    pub received_at: DateTime<Utc>,
}

/// A row and where it came from.
#[derive(Debug, Clone)]
pub struct Stamped<T> {
    /// The row.
    pub item: T,
    /// Where it came from.
    pub origin: Arc<Origin>,
}

/// A row's identity.
pub trait Keyed {
    /// Device and instant.
    fn key(&self) -> (DeviceId, DateTime<Utc>);
}

impl Keyed for Heartbeat {
    fn key(&self) -> (DeviceId, DateTime<Utc>) {
        (self.device_id, self.ts)
    }
}

impl Keyed for Reading {
    fn key(&self) -> (DeviceId, DateTime<Utc>) {
        (self.device_id, self.ts)
    }
}

/// Rows sorted by key, each key once. Sorted, because neighbours in the index are then written together, and because
/// two workers that write the same keys in the same order cannot deadlock.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    /// Heartbeats.
    pub heartbeats: Vec<Stamped<Heartbeat>>,
    /// Sensor readings.
    pub readings: Vec<Stamped<Reading>>,
}

impl Rows {
    /// The rows of many submissions; of several with one key the first counts.
    pub fn gather(submissions: impl IntoIterator<Item = Submission>) -> Self {
        let mut rows = Self::default();
        for submission in submissions {
            let Submission { request_id, received_at, heartbeats, readings } = submission;
            let origin = Arc::new(Origin { request_id, received_at });
            let stamp = |origin: &Arc<Origin>| Arc::clone(origin);
            rows.heartbeats.extend(heartbeats.into_iter().map(|item| Stamped { item, origin: stamp(&origin) }));
            rows.readings.extend(readings.into_iter().map(|item| Stamped { item, origin: stamp(&origin) }));
        }
        sort_and_unite(&mut rows.heartbeats);
        sort_and_unite(&mut rows.readings);
        rows
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the API accepted the oldest of them.
    #[must_use]
    pub fn oldest_received_at(&self) -> Option<DateTime<Utc>> {
        let heartbeats = self.heartbeats.iter().map(|row| row.origin.received_at);
        heartbeats.chain(self.readings.iter().map(|row| row.origin.received_at)).min()
    }

    /// Cuts them into two parts of about equal size, in order; the second one is empty only where there is one row.
    #[must_use]
    pub fn halve(mut self) -> (Self, Self) {
        let middle = self.len().div_ceil(2);
        let of_heartbeats = middle.min(self.heartbeats.len());
        let of_readings = middle.saturating_sub(of_heartbeats);
        let second = Self {
            heartbeats: self.heartbeats.split_off(of_heartbeats),
            readings: self.readings.split_off(of_readings),
        };
        (self, second)
    }

    /// Parts the rows of devices that `is_there` from the others.
    #[must_use]
    pub fn partition(self, is_there: impl Fn(DeviceId) -> bool) -> (Self, Self) {
        let (heartbeats, gone_heartbeats) = self.heartbeats.into_iter().partition(|row| is_there(row.item.device_id));
        let (readings, gone_readings) = self.readings.into_iter().partition(|row| is_there(row.item.device_id));
        (Self { heartbeats, readings }, Self { heartbeats: gone_heartbeats, readings: gone_readings })
    }

    /// Each row as a submission of its own, as it would come again.
    pub fn into_submissions(self) -> impl Iterator<Item = Submission> {
        let alone = |origin: &Origin| Submission {
            request_id: origin.request_id.clone(),
            received_at: origin.received_at,
            heartbeats: Vec::new(),
            readings: Vec::new(),
        };
        let heartbeats =
            self.heartbeats.into_iter().map(move |row| Submission { heartbeats: vec![row.item], ..alone(&row.origin) });
        let readings =
            self.readings.into_iter().map(move |row| Submission { readings: vec![row.item], ..alone(&row.origin) });
        heartbeats.chain(readings)
    }
}

/// A stable sort, so that of equal keys the first to arrive stays.
fn sort_and_unite<T: Keyed>(rows: &mut Vec<Stamped<T>>) {
    rows.sort_by_key(|row| row.item.key());
    rows.dedup_by_key(|row| row.item.key());
}

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::message::Submission;
    use pulso_shared::ids::DeviceId;
    use serde_json::json;

    use super::Rows;

    fn submission(request_id: &str, device: DeviceId, seconds: &[i64]) -> Submission {
        let heartbeats: Vec<_> = seconds.iter().map(|ts| json!({"device_id": device, "ts": ts * 1_000_000})).collect();
        let value = json!({"request_id": request_id, "received_at": 0, "heartbeats": heartbeats});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_are_sorted_and_the_first_of_equal_keys_counts() {
        let device = DeviceId::generate();
        let rows = Rows::gather([submission("first", device, &[3, 1]), submission("second", device, &[2, 3])]);
        let seen: Vec<_> =
            rows.heartbeats.iter().map(|row| (row.item.ts.timestamp(), row.origin.request_id.as_str())).collect();
        assert_eq!(seen, [(1, "first"), (2, "second"), (3, "first")]);
    }

    #[test]
    fn halving_ends_with_single_rows() {
        let rows = Rows::gather([submission("r", DeviceId::generate(), &[1, 2, 3])]);
        let (first, second) = rows.halve();
        assert_eq!((first.len(), second.len()), (2, 1));
        let (alone, nothing) = second.halve();
        assert_eq!((alone.len(), nothing.len()), (1, 0));
    }
}
