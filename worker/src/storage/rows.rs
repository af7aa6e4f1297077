//! The rows of a batch, in the order in which they are written.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, OneRow, Reading};

/// The request that brought a row.
#[derive(Debug)]
pub struct Origin {
    /// For the logs.
    pub request_id: String,
    pub received_at: DateTime<Utc>,
}

/// A row and its origin.
#[derive(Debug, Clone)]
pub struct Stamped<T> {
    pub item: T,
    pub origin: Arc<Origin>,
}

/// Rows that have a primary key, under which what comes again is put together.
pub trait Keyed: OneRow {
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
    pub heartbeats: Vec<Stamped<Heartbeat>>,
    pub readings: Vec<Stamped<Reading>>,
}

/// The items of a batch that are no rows of their own, because another one has the same key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// How many gave values to the row.
    pub merged: u64,
    /// How many had nothing new.
    pub duplicates: u64,
    /// Whose they were.
    pub devices: Vec<DeviceId>,
}

impl Rows {
    /// The rows of many submissions. Several items with the same key are put together in one row, of the first one's
    /// origin.
    pub fn gather(submissions: impl IntoIterator<Item = Submission>) -> (Self, Joined) {
        let (mut rows, mut joined) = (Self::default(), Joined::default());
        for submission in submissions {
            let Submission { request_id, received_at, heartbeats, readings } = submission;
            let origin = Arc::new(Origin { request_id, received_at });
            let stamp = |origin: &Arc<Origin>| Arc::clone(origin);
            rows.heartbeats.extend(heartbeats.into_iter().map(|item| Stamped { item, origin: stamp(&origin) }));
            rows.readings.extend(readings.into_iter().map(|item| Stamped { item, origin: stamp(&origin) }));
        }
        sort_and_merge(&mut rows.heartbeats, &mut joined);
        sort_and_merge(&mut rows.readings, &mut joined);
        (rows, joined)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the API accepted the oldest of them.
    pub fn oldest_received_at(&self) -> Option<DateTime<Utc>> {
        let heartbeats = self.heartbeats.iter().map(|row| row.origin.received_at);
        heartbeats.chain(self.readings.iter().map(|row| row.origin.received_at)).min()
    }

    /// Cuts them into two parts of about equal size, in order; the second one is empty only where there is one row.
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
    pub fn partition(self, is_there: impl Fn(DeviceId) -> bool) -> (Self, Self) {
        let (heartbeats, gone_heartbeats) = self.heartbeats.into_iter().partition(|row| is_there(row.item.device_id));
        let (readings, gone_readings) = self.readings.into_iter().partition(|row| is_there(row.item.device_id));
        (Self { heartbeats, readings }, Self { heartbeats: gone_heartbeats, readings: gone_readings })
    }

    /// Each row's device and origin.
    pub fn origins(&self) -> impl Iterator<Item = (DeviceId, &Origin)> {
        let heartbeats = self.heartbeats.iter().map(|row| (row.item.device_id, &*row.origin));
        heartbeats.chain(self.readings.iter().map(|row| (row.item.device_id, &*row.origin)))
    }

    /// Adds rows of another part of the same batch.
    pub fn append(&mut self, mut other: Self) {
        self.heartbeats.append(&mut other.heartbeats);
        self.readings.append(&mut other.readings);
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

/// A stable sort, so that of items with equal keys the first to arrive is the first to count.
fn sort_and_merge<T: Keyed + Clone>(rows: &mut Vec<Stamped<T>>, joined: &mut Joined) {
    rows.sort_by_key(|row| row.item.key());
    rows.dedup_by(|later, first| {
        let is_same = later.item.key() == first.item.key();
        if is_same {
            let has_new = first.item.merge(later.item.clone());
            joined.add(later.item.key().0, has_new);
        }
        is_same
    });
}

impl Joined {
    fn add(&mut self, device: DeviceId, has_new: bool) {
        self.merged = self.merged.saturating_add(u64::from(has_new));
        self.duplicates = self.duplicates.saturating_add(u64::from(!has_new));
        self.devices.push(device);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::{any, proptest};
    use pulso_shared::amqp::message::Submission;
    use pulso_shared::ids::DeviceId;
    use serde_json::json;
    use uuid::Uuid;

    use super::{Joined, Rows};

    fn submission(request_id: &str, device: DeviceId, heartbeats: &[i64], readings: &[i64]) -> Submission {
        let at = |seconds: &[i64]| -> Vec<_> {
            seconds.iter().map(|ts| json!({"device_id": device, "ts": ts * 1_000_000})).collect()
        };
        let value =
            json!({"request_id": request_id, "received_at": 5, "heartbeats": at(heartbeats), "readings": at(readings)});
        serde_json::from_value(value).unwrap()
    }

    fn device(number: u8) -> DeviceId {
        Uuid::from_u128(number.into()).into()
    }

    /// What identifies the rows, in their order.
    fn keys(rows: &Rows) -> Vec<(char, Uuid, i64)> {
        let heartbeats = rows.heartbeats.iter().map(|row| ('h', row.item.device_id.as_uuid(), row.item.ts.timestamp()));
        let readings = rows.readings.iter().map(|row| ('r', row.item.device_id.as_uuid(), row.item.ts.timestamp()));
        heartbeats.chain(readings).collect()
    }

    #[test]
    fn rows_are_sorted_and_the_first_of_equal_keys_counts() {
        let device = DeviceId::generate();
        let (rows, joined) =
            Rows::gather([submission("first", device, &[3, 1], &[]), submission("second", device, &[2, 3], &[3])]);
        assert_eq!(joined, Joined { merged: 0, duplicates: 1, devices: vec![device] });
        let seen: Vec<_> =
            rows.heartbeats.iter().map(|row| (row.item.ts.timestamp(), row.origin.request_id.as_str())).collect();
        assert_eq!(seen, [(1, "first"), (2, "second"), (3, "first")]);
        assert_eq!(rows.readings[0].origin.request_id, "second", "a reading and a heartbeat are different rows");
    }

    #[test]
    fn items_of_one_instant_are_one_row_in_which_the_first_value_of_a_metric_counts() {
        let device = device(1);
        let mut sent = [1, 2].map(|n| submission(&n.to_string(), device, &[7], &[7]));
        sent[0].heartbeats[0].cpu_usage = 20.0.try_into().ok();
        sent[1].heartbeats[0].cpu_usage = 21.0.try_into().ok();
        sent[1].heartbeats[0].latency = 5.0.try_into().ok();
        let (rows, joined) = Rows::gather(sent);
        let row = &rows.heartbeats[0];
        assert_eq!((rows.len(), row.origin.request_id.as_str()), (2, "1"));
        let value = |sent: Option<f64>| sent;
        assert_eq!(value(row.item.cpu_usage.map(Into::into)), Some(20.0));
        assert_eq!(value(row.item.latency.map(Into::into)), Some(5.0));
        assert_eq!(joined, Joined { merged: 1, duplicates: 1, devices: vec![device; 2] });
    }

    #[test]
    fn halving_ends_with_single_rows() {
        let rows = Rows::gather([submission("r", DeviceId::generate(), &[1, 2, 3], &[])]).0;
        let (first, second) = rows.halve();
        assert_eq!((first.len(), second.len()), (2, 1));
        let (alone, nothing) = second.halve();
        assert_eq!((alone.len(), nothing.len()), (1, 0));
    }

    #[test]
    fn rows_of_deleted_devices_are_separated_from_the_others() {
        let (kept, gone) = (device(1), device(2));
        let rows = Rows::gather([submission("r", kept, &[1], &[2]), submission("s", gone, &[3], &[4])]).0;
        let (existing, deleted) = rows.partition(|device| device == kept);
        assert_eq!(keys(&existing), [('h', kept.as_uuid(), 1), ('r', kept.as_uuid(), 2)]);
        assert_eq!(keys(&deleted), [('h', gone.as_uuid(), 3), ('r', gone.as_uuid(), 4)]);
    }

    #[test]
    fn the_oldest_receipt_is_that_of_any_row() {
        assert_eq!(Rows::default().oldest_received_at(), None);
        let mut late = submission("late", device(1), &[1], &[]);
        late.received_at += chrono::TimeDelta::seconds(9);
        let early = submission("early", device(1), &[], &[1]);
        let oldest = Rows::gather([late, early.clone()]).0.oldest_received_at();
        assert_eq!(oldest, Some(early.received_at));
    }

    proptest! {
        #[test]
        fn whatever_was_sent_is_written_once_in_the_order_of_the_key_and_becomes_the_same_rows_again(
            sent in collection::vec((any::<bool>(), 0_u8..4, 0_i64..20), 0..60),
        ) {
            let one = |(index, (heartbeat, number, ts)): (usize, &(bool, u8, i64))| {
                let (heartbeats, readings): (&[i64], &[i64]) = if *heartbeat { (&[*ts], &[]) } else { (&[], &[*ts]) };
                submission(&index.to_string(), device(*number), heartbeats, readings)
            };
            let (rows, joined) = Rows::gather(sent.iter().enumerate().map(one));
            assert_eq!(rows.len() + usize::try_from(joined.duplicates).unwrap(), sent.len());
            let mut expected: Vec<_> = sent
                .iter()
                .map(|(heartbeat, number, ts)| (if *heartbeat { 'h' } else { 'r' }, device(*number).as_uuid(), *ts))
                .collect();
            expected.sort();
            expected.dedup();
            assert_eq!(keys(&rows), expected);

            let (first, second) = rows.clone().halve();
            assert!(first.len() - second.len() <= 1);
            assert_eq!([keys(&first), keys(&second)].iter().flatten().count(), rows.len());
            let (again, _) = Rows::gather(first.into_submissions().chain(second.into_submissions()));
            assert_eq!(keys(&again), expected);
        }
    }
}
