//! Values of one device and one instant are put together in one row. Where a metric comes twice, its first value counts:
//! a row only ever gains values, and none of them changes.
//!
//! The worker puts rows together, in a batch by [`OneRow::merge`] and in the table by its `merge_*.sql`; the API judges by
//! [`OneRow::outcome_in`] what became of an item.

use chrono::{DateTime, Utc};

use super::heartbeat::Heartbeat;
use super::reading::{MAX_METRICS, Reading};

/// Most custom metrics in a row, which several readings of one instant may fill: else anybody could make a row that is
/// too large to read. Where it is full, what a reading has beyond counts as coming second.
pub const MAX_ROW_METRICS: usize = 4 * MAX_METRICS;

/// What became of an item's values in the row of its device and instant. A later outcome outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The row holds them.
    Held,
    /// The row holds another value of the same metric, which was first.
    Conflicting,
    /// The row lacks one of them: it is not stored yet.
    Missing,
}

/// Items that may be put together in one row.
pub trait OneRow {
    /// Adds the values of a `later` item of the same device and instant where there are none; whether it had any.
    fn merge(&mut self, later: Self) -> bool;

    /// What became of this item in `row`. Never [`Outcome::Missing`] again once it was another one.
    fn outcome_in(&self, row: &Self) -> Outcome;
}

impl OneRow for Heartbeat {
    fn merge(&mut self, later: Self) -> bool {
        let Self {
            device_id: _,
            ts: _,
            cpu_usage,
            ram_usage,
            disk_free,
            temperature,
            latency,
            connectivity,
            boot_time,
        } = later;
        let added = [
            add(&mut self.cpu_usage, cpu_usage),
            add(&mut self.ram_usage, ram_usage),
            add(&mut self.disk_free, disk_free),
            add(&mut self.temperature, temperature),
            add(&mut self.latency, latency),
            add(&mut self.connectivity, connectivity),
            add(&mut self.boot_time, boot_time),
        ];
        added.contains(&true)
    }

    fn outcome_in(&self, row: &Self) -> Outcome {
        // The row's digits end with the microsecond.
        let micros = |at: DateTime<Utc>| at.timestamp_micros();
        worst([
            outcome(self.cpu_usage, row.cpu_usage),
            outcome(self.ram_usage, row.ram_usage),
            outcome(self.disk_free, row.disk_free),
            outcome(self.temperature, row.temperature),
            outcome(self.latency, row.latency),
            outcome(self.connectivity, row.connectivity),
            outcome(self.boot_time.map(micros), row.boot_time.map(micros)),
        ])
    }
}

impl OneRow for Reading {
    fn merge(&mut self, later: Self) -> bool {
        let Self { device_id: _, ts: _, temperature, humidity, voltage, current, metrics } = later;
        let added = [
            add(&mut self.temperature, temperature),
            add(&mut self.humidity, humidity),
            add(&mut self.voltage, voltage),
            add(&mut self.current, current),
        ];
        let before = self.metrics.len();
        for (name, number) in metrics {
            if self.metrics.len() < MAX_ROW_METRICS {
                let _ = self.metrics.entry(name).or_insert(number);
            }
        }
        self.metrics.len() > before || added.contains(&true)
    }

    fn outcome_in(&self, row: &Self) -> Outcome {
        // A full row gains no metric any more: others were first.
        let missing = if row.metrics.len() < MAX_ROW_METRICS { Outcome::Missing } else { Outcome::Conflicting };
        let of_metrics = self
            .metrics
            .iter()
            .map(|(name, sent)| row.metrics.get(name).map_or(missing, |stored| outcome(Some(*sent), Some(*stored))));
        worst([
            outcome(self.temperature, row.temperature),
            outcome(self.humidity, row.humidity),
            outcome(self.voltage, row.voltage),
            outcome(self.current, row.current),
            worst(of_metrics),
        ])
    }
}

fn add<T>(first: &mut Option<T>, later: Option<T>) -> bool {
    let is_new = first.is_none() && later.is_some();
    if is_new {
        *first = later;
    }
    is_new
}

fn outcome<T: PartialEq>(sent: Option<T>, stored: Option<T>) -> Outcome {
    match (sent, stored) {
        (Some(sent), Some(stored)) if sent != stored => Outcome::Conflicting,
        (Some(_), None) => Outcome::Missing,
        _ => Outcome::Held,
    }
}

fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().max().unwrap_or(Outcome::Held)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Heartbeat, MAX_ROW_METRICS, OneRow, Outcome, Reading};

    fn heartbeat(mut values: Value) -> Heartbeat {
        values["device_id"] = json!("01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
        values["ts"] = json!(1_000_000);
        serde_json::from_value(values).unwrap()
    }

    fn reading(mut values: Value) -> Reading {
        values["device_id"] = json!("01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
        values["ts"] = json!(1_000_000);
        serde_json::from_value(values).unwrap()
    }

    /// So many metrics, from `m<first>` on.
    fn metrics(first: usize, count: usize) -> Reading {
        let metrics: BTreeMap<_, _> = (first..first + count).map(|n| (format!("m{n}"), n)).collect();
        reading(json!({"metrics": metrics}))
    }

    #[test]
    fn a_row_gains_what_it_lacks_and_keeps_what_it_has() {
        let mut row = heartbeat(json!({"cpu_usage": 1, "connectivity": false}));
        assert!(row.merge(heartbeat(json!({"cpu_usage": 2, "latency": 3, "connectivity": true, "boot_time": 4}))));
        assert_eq!(row, heartbeat(json!({"cpu_usage": 1, "latency": 3, "connectivity": false, "boot_time": 4})));
        assert!(!row.merge(heartbeat(json!({"cpu_usage": 3, "boot_time": 5}))), "nothing new");
        let mut row = reading(json!({"temperature": 0, "metrics": {"a": 1}}));
        assert!(row.merge(reading(json!({"temperature": 2, "humidity": 55, "metrics": {"a": 2, "b": 3}}))));
        assert_eq!(row, reading(json!({"temperature": 0, "humidity": 55, "metrics": {"a": 1, "b": 3}})));
        assert!(!row.merge(reading(json!({"metrics": {"a": 9}}))));
    }

    #[test]
    fn an_item_is_told_what_became_of_it() {
        let row = heartbeat(json!({"cpu_usage": 1, "ram_usage": 0.0, "boot_time": 4}));
        for (sent, outcome) in [
            (json!({}), Outcome::Held),
            (json!({"cpu_usage": 1, "ram_usage": -0.0, "boot_time": 4}), Outcome::Held),
            (json!({"cpu_usage": 2}), Outcome::Conflicting),
            (json!({"boot_time": 5}), Outcome::Conflicting),
            (json!({"cpu_usage": 2, "latency": 1}), Outcome::Missing),
            (json!({"connectivity": false}), Outcome::Missing),
        ] {
            assert_eq!(heartbeat(sent.clone()).outcome_in(&row), outcome, "{sent}");
        }
        let row = reading(json!({"humidity": 5, "metrics": {"a": 1}}));
        for (sent, outcome) in [
            (json!({"humidity": 5, "metrics": {"a": 1.0}}), Outcome::Held),
            (json!({"metrics": {"a": 2}}), Outcome::Conflicting),
            (json!({"metrics": {"a": 1, "b": 1}}), Outcome::Missing),
            (json!({"humidity": 6, "current": 1}), Outcome::Missing),
        ] {
            assert_eq!(reading(sent.clone()).outcome_in(&row), outcome, "{sent}");
        }
    }

    #[test]
    fn a_row_has_room_for_so_many_metrics_and_whose_find_none_is_told() {
        let mut row = metrics(0, MAX_ROW_METRICS - 1);
        assert_eq!(metrics(MAX_ROW_METRICS - 1, 2).outcome_in(&row), Outcome::Missing);
        assert!(row.merge(metrics(MAX_ROW_METRICS - 2, 3)), "there is room for one of two");
        assert_eq!(row, metrics(0, MAX_ROW_METRICS));
        assert_eq!(metrics(MAX_ROW_METRICS - 1, 2).outcome_in(&row), Outcome::Conflicting);
        assert!(!row.merge(metrics(MAX_ROW_METRICS, 1)));
        assert_eq!(metrics(0, 32).outcome_in(&row), Outcome::Held);
    }

    fn any_reading() -> impl Strategy<Value = Reading> {
        collection::btree_map(0_usize..7, 0..3, 0..5).prop_map(|values| {
            let mut body = json!({"metrics": {}});
            for (field, value) in values {
                match ["temperature", "humidity", "voltage", "current"].get(field) {
                    Some(column) => body[column] = json!(value),
                    None => body["metrics"][format!("m{field}")] = json!(value),
                }
            }
            reading(body)
        })
    }

    proptest! {
        #[test]
        fn the_first_value_of_each_metric_counts_however_the_items_are_grouped_and_repeated(
            sent in collection::vec(any_reading(), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let together = |items: &[Reading]| {
                items.iter().cloned().reduce(|mut row, later| {
                    row.merge(later);
                    row
                })
            };
            let row = together(&sent).unwrap();
            // Model: each value by its path, the first that came.
            let mut first: BTreeMap<String, Value> = BTreeMap::new();
            for item in &sent {
                for (path, value) in paths(item) {
                    let _ = first.entry(path).or_insert(value);
                }
            }
            prop_assert_eq!(&paths(&row), &first);
            // In two batches, each put together before the second meets the first.
            let (one, two) = sent.split_at(cut.index(sent.len()));
            let in_two = together(&[together(one), together(two)].into_iter().flatten().collect::<Vec<_>>());
            prop_assert_eq!(in_two.as_ref(), Some(&row));
            for item in &sent {
                let mut again = row.clone();
                prop_assert!(!again.merge(item.clone()), "a redelivered item changes nothing");
                let differs = paths(item).iter().any(|(path, value)| first.get(path) != Some(value));
                let expected = if differs { Outcome::Conflicting } else { Outcome::Held };
                prop_assert_eq!(item.outcome_in(&row), expected);
            }
        }
    }

    fn paths(reading: &Reading) -> BTreeMap<String, Value> {
        let Value::Object(mut fields) = serde_json::to_value(reading).unwrap() else { panic!("an object") };
        fields.retain(|name, _| name != "device_id" && name != "ts");
        if let Some(Value::Object(metrics)) = fields.remove("metrics") {
            fields.extend(metrics);
        }
        fields.into_iter().collect()
    }
}
