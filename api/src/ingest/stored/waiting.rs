//! What a request waits for: each of its items, until the row of its device and instant has a value of each of its metrics.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, OneRow, Outcome, Reading};

use super::super::accepted::Accepted;

/// A row's identity.
pub type Key = (DeviceId, DateTime<Utc>);

/// Rows of both tables, by what identifies them.
#[derive(Debug, Default)]
pub struct Keys {
    pub heartbeats: HashSet<Key>,
    pub readings: HashSet<Key>,
}

/// Committed rows.
#[derive(Debug, Default)]
pub struct StoredRows {
    pub heartbeats: HashMap<Key, Heartbeat>,
    pub readings: HashMap<Key, Reading>,
}

/// What became of a request whose items are all stored.
#[derive(Debug, Default, PartialEq)]
pub struct Settled {
    /// The places of the items of which a row has another value, which was first.
    pub conflicting: Vec<usize>,
    /// The row of the last sensor reading that was settled: the request's, where it has but one.
    pub reading: Option<Reading>,
}

/// What a request still waits for, and what it has come to so far.
#[derive(Debug)]
pub struct Waiting {
    heartbeats: Vec<Placed<Heartbeat>>,
    readings: Vec<Placed<Reading>>,
    settled: Settled,
}

#[derive(Debug)]
struct Placed<T> {
    place: usize,
    key: Key,
    item: T,
}

impl Waiting {
    pub fn of(accepted: &Accepted) -> Self {
        let Accepted { submission, places } = accepted;
        let heartbeats = submission.heartbeats.iter().zip(places.heartbeats());
        let readings = submission.readings.iter().zip(places.readings());
        Self {
            heartbeats: heartbeats
                .map(|(item, place)| Placed { place, key: (item.device_id, item.ts), item: item.clone() })
                .collect(),
            readings: readings
                .map(|(item, place)| Placed { place, key: (item.device_id, item.ts), item: item.clone() })
                .collect(),
            settled: Settled::default(),
        }
    }

    /// How many items are not settled.
    pub fn len(&self) -> usize {
        self.heartbeats.len().saturating_add(self.readings.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the rows that are waited for to `keys`.
    pub fn add_keys(&self, keys: &mut Keys) {
        keys.heartbeats.extend(self.heartbeats.iter().map(|placed| placed.key));
        keys.readings.extend(self.readings.iter().map(|placed| placed.key));
    }

    /// Takes off what `rows` settle.
    pub fn settle(&mut self, rows: &StoredRows) {
        let Self { heartbeats, readings, settled } = self;
        let _ = settle(heartbeats, &rows.heartbeats, &mut settled.conflicting);
        settled.reading = settle(readings, &rows.readings, &mut settled.conflicting).or(settled.reading.take());
    }

    /// What became of the items.
    pub fn into_settled(mut self) -> Settled {
        self.settled.conflicting.sort_unstable();
        self.settled
    }
}

/// Keeps the items that are not settled; returns the row of the last of the others.
fn settle<T: OneRow + Clone>(
    waiting: &mut Vec<Placed<T>>,
    rows: &HashMap<Key, T>,
    conflicting: &mut Vec<usize>,
) -> Option<T> {
    let mut last = None;
    waiting.retain(|Placed { place, key, item }| {
        let Some(row) = rows.get(key) else { return true };
        let outcome = item.outcome_in(row);
        if outcome == Outcome::Conflicting {
            conflicting.push(*place);
        }
        if outcome != Outcome::Missing {
            last = Some(row);
        }
        outcome == Outcome::Missing
    });
    last.cloned()
}

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::message::Submission;
    use pulso_shared::telemetry::Reading;
    use serde_json::{Value, json};

    use super::super::super::accepted::{Accepted, Places};
    use super::{Keys, Settled, StoredRows, Waiting};

    fn reading(ts: i64, mut values: Value) -> Reading {
        values["device_id"] = json!("01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
        values["ts"] = json!(ts);
        serde_json::from_value(values).unwrap()
    }

    fn waiting(readings: Vec<Reading>) -> Waiting {
        let mut submission: Submission =
            serde_json::from_value(json!({"request_id": "r", "received_at": 0, "heartbeats": [], "readings": []}))
                .unwrap();
        let mut places = Places::default();
        for (index, reading) in readings.into_iter().enumerate() {
            submission.readings.push(reading);
            places.note(&submission, index);
        }
        Waiting::of(&Accepted { submission, places })
    }

    fn rows(readings: Vec<Reading>) -> StoredRows {
        let readings = readings.into_iter().map(|row| ((row.device_id, row.ts), row)).collect();
        StoredRows { readings, ..StoredRows::default() }
    }

    #[test]
    fn an_item_is_waited_for_until_its_row_has_each_of_its_metrics() {
        let mut waiting = waiting(vec![
            reading(1, json!({"humidity": 55})),
            reading(1, json!({"temperature": 21})),
            reading(2, json!({"temperature": 1})),
        ]);
        let mut keys = Keys::default();
        waiting.add_keys(&mut keys);
        assert_eq!((waiting.len(), keys.readings.len()), (3, 2), "two of them are one row");
        waiting.settle(&rows(vec![reading(1, json!({"temperature": 20}))]));
        assert_eq!(waiting.len(), 2, "another's row of the instant does not have the humidity yet");
        waiting.settle(&StoredRows::default());
        let whole = reading(1, json!({"temperature": 20, "humidity": 55}));
        waiting.settle(&rows(vec![whole, reading(2, json!({"temperature": 1}))]));
        assert!(waiting.is_empty());
        let reading = Some(reading(2, json!({"temperature": 1})));
        assert_eq!(waiting.into_settled(), Settled { conflicting: vec![1], reading });
    }
}
