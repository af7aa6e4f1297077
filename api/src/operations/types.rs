//! Bodies and responses of operations.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::dead_letters::{Choice, Content, DeadLetter, Replayed};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeadLetterId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::fields::{Fields, body, optional};

/// Most ids in one request: as many as a list can show.
const MAX_IDS: usize = 1_000;

body! {
    /// Which dead letters to put back; no body at all means all.
    #[schema(example = json!({"ids": ["01JD3ZK8M4T0Q2V6X9Y7B5C1RA"]}))]
    pub struct ReplayBody {
        /// These; left out or `null`: all that are there now.
        #[schema(max_items = 1000)]
        pub ids: Option<Vec<DeadLetterId>> = optional,
    }
    const MAY_BE_EMPTY: bool = true;
    then(fields) {
        check_id_count(fields, &ids);
    }
}

fn check_id_count(fields: &mut Fields, ids: &Option<Option<Vec<DeadLetterId>>>) {
    if ids.iter().flatten().any(|ids| ids.len() > MAX_IDS) {
        fields.fault("ids", "too_many", format!("must be at most {MAX_IDS}"));
    }
}

impl ReplayBody {
    /// What it means.
    pub fn choice(self) -> Choice {
        self.ids.map_or(Choice::All, |ids| Choice::Only(BTreeSet::from_iter(ids)))
    }
}

/// A message that could not be stored.
#[derive(Serialize, ToSchema)]
pub struct DeadLetterResponse {
    /// For replay and deletion.
    id: DeadLetterId,
    /// Why, in one word: `undecodable`, `refused`, or RabbitMQ's own, such as `delivery_limit`.
    #[schema(example = "refused")]
    reason: String,
    /// Why, for people.
    detail: String,
    /// When it came here, to the second. `null`: nobody has written it down.
    died_at: Option<DateTime<Utc>>,
    /// The type it was published with.
    #[schema(example = "pulso.telemetry.v2")]
    message_type: Option<String>,
    /// Size of its body.
    bytes: usize,
    /// How many readings are in it; `null` where it cannot be read or is shown by its beginning only.
    readings: Option<usize>,
    /// What is in it, request by request; `null` where it cannot be read, or is larger than 16 KiB.
    #[schema(value_type = Option<Vec<Object>>)]
    submissions: Option<Vec<Submission>>,
    /// Its beginning, where `submissions` is `null`.
    excerpt: Option<String>,
}

impl From<DeadLetter> for DeadLetterResponse {
    fn from(letter: DeadLetter) -> Self {
        let (submissions, excerpt) = match letter.content {
            Content::Submissions(submissions) => (Some(submissions), None),
            Content::Excerpt(text) => (None, Some(text)),
        };
        Self {
            id: letter.id,
            reason: letter.reason,
            detail: letter.detail,
            died_at: letter.died_at,
            message_type: letter.message_type,
            bytes: letter.bytes,
            readings: submissions.as_ref().map(|submissions| submissions.iter().map(Submission::len).sum()),
            submissions,
            excerpt,
        }
    }
}

/// What came of a replay.
#[derive(Serialize, ToSchema)]
pub struct ReplayResponse {
    /// Dead letters that were put back into the store queue.
    replayed: u32,
    /// Ids that were asked for and not found (or not reached, where it was stopped).
    missing: Vec<DeadLetterId>,
    /// Why it ended early; `null`: it did not. What it had not come to is still a dead letter.
    #[schema(example = "the store queue is full")]
    stopped: Option<String>,
}

impl From<Replayed> for ReplayResponse {
    fn from(done: Replayed) -> Self {
        let stopped = done.stopped.map(|stop| stop.to_string());
        Self { replayed: done.replayed, missing: done.missing, stopped }
    }
}

/// The way from the API into the database.
#[derive(Serialize, ToSchema)]
pub struct PipelineResponse {
    /// What waits to be stored.
    pub store_queue: QueueResponse,
    /// What could not be stored.
    pub dead_letters: QueueResponse,
    /// Readings a second that this replica accepted, since its last look. `null`: it has not looked before, or not in
    /// the last ten minutes.
    #[schema(example = 412.5)]
    pub accepted_per_s: Option<f64>,
    /// Readings a second that all workers stored, since this replica's last look. `null`: as above.
    pub stored_per_s: Option<f64>,
    /// Seconds since the two rates began to be measured.
    pub measured_s: Option<f64>,
    /// How far storage is behind, s: 0 while nothing waits, else how old the newest is that is stored: what waits is
    /// younger. `null`: nothing is stored yet.
    pub lag_s: Option<f64>,
    /// Seconds since the newest of what is stored was heard of. `null`: nothing is stored yet.
    pub newest_stored_age_s: Option<f64>,
}

/// A queue.
#[derive(Serialize, ToSchema)]
pub struct QueueResponse {
    /// Messages that nobody has in hand. One message holds the readings of one request or of many.
    pub messages: u32,
    /// Who takes from it: the workers.
    pub consumers: u32,
}
