//! What was accepted of a request, kept where its answer speaks of it.

use pulso_shared::amqp::message::Submission;

/// Accepted items, and where each of them was in the request.
#[derive(Debug)]
pub struct Accepted {
    pub submission: Submission,
    pub places: Places,
}

/// The indexes of accepted items in the request's array, in the submission's order; empty where there was no array.
#[derive(Debug, Default)]
pub struct Places {
    heartbeats: Vec<usize>,
    readings: Vec<usize>,
}

impl Places {
    /// Notes that the item at `index` was the last to be added to `submission`.
    pub fn note(&mut self, submission: &Submission, index: usize) {
        if submission.heartbeats.len() > self.heartbeats.len() {
            self.heartbeats.push(index);
        } else {
            self.readings.push(index);
        }
    }

    /// Where the submission's heartbeats were.
    pub fn heartbeats(&self) -> impl Iterator<Item = usize> {
        self.heartbeats.iter().copied().chain(std::iter::repeat(0))
    }

    /// Where its readings were.
    pub fn readings(&self) -> impl Iterator<Item = usize> {
        self.readings.iter().copied().chain(std::iter::repeat(0))
    }
}

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::message::Submission;
    use serde_json::json;

    use super::Places;

    #[test]
    fn each_kind_of_item_has_its_places_whatever_order_they_are_added_in() {
        let item = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "ts": 1});
        let mut submission: Submission =
            serde_json::from_value(json!({"request_id": "r", "received_at": 0, "heartbeats": [], "readings": []}))
                .unwrap();
        let mut places = Places::default();
        for (index, is_heartbeat) in [(4, true), (1, false), (0, true), (7, false)] {
            if is_heartbeat {
                submission.heartbeats.push(serde_json::from_value(item.clone()).unwrap());
            } else {
                submission.readings.push(serde_json::from_value(item.clone()).unwrap());
            }
            places.note(&submission, index);
        }
        assert!(places.heartbeats().take(2).eq([4, 0]));
        assert!(places.readings().take(2).eq([1, 7]));
        assert_eq!(Places::default().readings().next(), Some(0), "an item without an array");
    }
}
