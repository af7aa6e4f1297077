//! Properties of what reads bytes that anybody may send: for `make fuzz`, which looks for inputs that break one, and for the
//! tests, which try the seeds that are kept (`fuzz/seeds`). A property panics where it does not hold.

use pulso_shared::amqp::message;

pub use crate::devices::sheet_property as device_sheet;
pub use crate::history::query_property as history_query;
pub use crate::ingest::body_property as ingest_body;

/// A message of the queue: what can be read comes out the same when it is written and read again.
pub fn queue_message(bytes: &[u8]) {
    let Ok(submissions) = message::decode(bytes) else { return };
    let mut again = vec![b'['];
    for (index, submission) in submissions.iter().enumerate() {
        if index > 0 {
            again.push(b',');
        }
        message::encode(submission, &mut again).expect("what was read can be written");
    }
    again.push(b']');
    let read = message::decode(&again).expect("what was written can be read");
    assert_eq!(read, submissions, "a message changes on its way");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Tries every seed of a target; there are some.
    fn holds_for_seeds(target: &str, property: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
        let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(seeds.len() >= 5, "{} holds {} seeds", folder.display(), seeds.len());
        for seed in seeds {
            let bytes = std::fs::read(&seed).unwrap();
            assert!(std::panic::catch_unwind(|| property(&bytes)).is_ok(), "{}", seed.display());
        }
    }

    #[test]
    fn every_seed_of_an_ingest_body_has_its_property() {
        holds_for_seeds("ingest_body", super::ingest_body);
    }

    #[test]
    fn every_seed_of_a_queue_message_has_its_property() {
        holds_for_seeds("queue_message", super::queue_message);
    }

    #[test]
    fn every_seed_of_a_device_sheet_has_its_property() {
        holds_for_seeds("device_sheet", super::device_sheet);
    }

    #[test]
    fn every_seed_of_a_history_query_has_its_property() {
        holds_for_seeds("history_query", super::history_query);
    }
}
