//! What of a batch cannot be stored, and why.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::{self, MESSAGE_TYPE, Submission};
use pulso_shared::ids::DeadLetterId;

use crate::metrics::{STORE, as_count, count_dead_letter};
use crate::storage::Rows;
use crate::storage::dead_letter_outbox::Letter;

/// A decoder's error may quote the whole message; the reason has to fit into an AMQP header.
const MAX_DETAIL_BYTES: usize = 1_024;

/// All that is not stored. The rest of its batch is committed.
#[derive(Debug, Default)]
pub struct Rejected {
    /// Messages, or submissions of messages, that cannot be decoded.
    pub undecodable: Vec<Undecodable>,
    /// Rows that the database refuses.
    pub refused: Vec<Refused>,
    /// Rows of devices that are deleted. They are not kept: their owner wanted them gone, and who deletes devices while
    /// their data waits could fill whatever keeps them.
    pub device_gone: Rows,
}

/// A message, or one submission of a message, that cannot be decoded.
#[derive(Debug)]
pub struct Undecodable {
    pub detail: String,
    /// Its AMQP type: a later version may be able to decode it.
    pub kind: Option<String>,
    /// The message as it was received, or a message that holds nothing but the submission as it was received.
    pub body: Vec<u8>,
}

/// Rows that the database will never take as they are.
#[derive(Debug)]
pub struct Refused {
    pub rows: Rows,
    pub detail: String,
}

/// Why a letter is one: its routing key and metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonCode {
    Undecodable,
    /// By the database.
    Refused,
}

impl ReasonCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Refused => "refused",
        }
    }
}

impl Rejected {
    /// Counts and logs what is rejected, and returns what an operator can mend, as dead letters.
    pub fn into_letters(self, died_at: DateTime<Utc>) -> Vec<Letter> {
        log_dropped(&self.device_gone);
        let mut letters = Vec::new();
        let mut push = |code: ReasonCode, detail: &str, message_type, body| {
            count_dead_letter(code.as_str());
            let (id, detail) = (DeadLetterId::generate(), shorten(detail).to_owned());
            letters.push(Letter { id, reason: code.as_str().to_owned(), detail, message_type, body, died_at });
        };
        for Undecodable { detail, kind, body } in self.undecodable {
            push(ReasonCode::Undecodable, &detail, kind, body);
        }
        for Refused { rows, detail } in self.refused {
            for submission in rows.into_submissions() {
                tracing::debug!(request_id = submission.request_id, reason = detail, "reading refused");
                push(ReasonCode::Refused, &detail, Some(MESSAGE_TYPE.to_owned()), body_of(&submission));
            }
        }
        log_letters(&letters);
        letters
    }
}

/// A message with one submission, as the API would send it.
fn body_of(submission: &Submission) -> Vec<u8> {
    let mut body = vec![b'['];
    if let Err(error) = message::encode(submission, &mut body) {
        tracing::error!(%error, request_id = submission.request_id, "dead letter not encoded");
    }
    body.push(b']');
    body
}

/// One line a batch, however many rows; each row at the level for people who look for one.
fn log_dropped(gone: &Rows) {
    if gone.is_empty() {
        return;
    }
    STORE.dropped_device_gone.increment(as_count(gone.len()));
    let devices: BTreeSet<_> = gone.origins().map(|(device_id, _)| device_id).collect();
    let example = devices.first().map(ToString::to_string);
    tracing::info!(rows = gone.len(), devices = devices.len(), device_id = example, "rows of deleted devices dropped");
    if tracing::enabled!(tracing::Level::DEBUG) {
        for (device_id, origin) in gone.origins() {
            tracing::debug!(request_id = origin.request_id, %device_id, "row of a deleted device dropped");
        }
    }
}

/// One line for each reason in a batch.
fn log_letters(letters: &[Letter]) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for letter in letters {
        let count = counts.entry((&letter.reason, &letter.detail)).or_default();
        *count = count.saturating_add(1);
    }
    for ((code, detail), count) in counts {
        tracing::warn!(code, reason = detail, letters = count, "dead-lettered");
    }
}

/// At most [`MAX_DETAIL_BYTES`] of a reason.
fn shorten(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(MAX_DETAIL_BYTES)).unwrap_or(detail)
}

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::message::{self, MESSAGE_TYPE, Submission};
    use pulso_shared::ids::DeviceId;
    use serde_json::json;

    use super::{MAX_DETAIL_BYTES, Refused, Rejected, Undecodable, shorten};
    use crate::storage::Rows;

    fn rows(requests: &[&str]) -> Rows {
        let submission = |request_id: &&str| -> Submission {
            let heartbeat = json!({"device_id": DeviceId::generate(), "ts": 1_000_000});
            serde_json::from_value(json!({"request_id": request_id, "received_at": 0, "heartbeats": [heartbeat]}))
                .unwrap()
        };
        Rows::gather(requests.iter().map(submission)).0
    }

    #[test]
    fn what_can_be_mended_becomes_letters_and_rows_of_deleted_devices_do_not() {
        let kind = || Some("pulso.telemetry.v9".to_owned());
        let rejected = Rejected {
            undecodable: vec![Undecodable { detail: "x".repeat(5_000), kind: kind(), body: b"not \xff json".to_vec() }],
            refused: vec![Refused { rows: rows(&["bad"]), detail: "out of range".to_owned() }],
            device_gone: rows(&["gone", "gone too"]),
        };
        let died_at = "2026-11-25T12:00:00Z".parse().unwrap();
        let letters = rejected.into_letters(died_at);
        let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
        assert_eq!(reasons, ["undecodable", "refused"]);
        assert!(letters.iter().all(|letter| letter.died_at == died_at));
        assert_eq!((&letters[0].message_type, letters[0].body.as_slice()), (&kind(), b"not \xff json".as_slice()));
        assert_eq!(letters[0].detail.len(), MAX_DETAIL_BYTES);
        assert_eq!(letters[1].message_type.as_deref(), Some(MESSAGE_TYPE));
        let again = message::decode(&letters[1].body).unwrap();
        assert_eq!((again.len(), again[0].request_id.as_str(), again[0].len()), (1, "bad", 1));
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"ü".repeat(2_000)).len(), MAX_DETAIL_BYTES);
    }
}
