//! What the API counts. Handles are made once: looking a metric up by name costs more than counting it.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};

/// What happens to readings on their way to the broker.
pub struct IngestMetrics {
    /// Readings confirmed by the broker.
    pub accepted: Counter,
    /// Messages published and confirmed.
    pub messages: Counter,
    /// Time from the first reading in a message to its confirm, s.
    pub publish_latency: Histogram,
    /// Readings in a message.
    pub message_size: Histogram,
}

/// The ingest path's handles.
pub static INGEST: LazyLock<IngestMetrics> = LazyLock::new(|| IngestMetrics {
    accepted: counter!("pulso_ingest_accepted_total"),
    messages: counter!("pulso_ingest_messages_total"),
    publish_latency: histogram!("pulso_publish_latency_seconds"),
    message_size: histogram!("pulso_publish_batch_size"),
});

/// What happens to questions about history.
pub struct ReadingMetrics {
    /// Answers that did not have to be made again.
    pub reused: Counter,
}

/// The reading path's handles.
pub static READING: LazyLock<ReadingMetrics> =
    LazyLock::new(|| ReadingMetrics { reused: counter!("pulso_answers_reused_total") });

static ANSWERS: LazyLock<[Counter; 5]> = LazyLock::new(|| {
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| counter!("pulso_http_answers_total", "class" => class))
});

/// Counts a response by the class of its status.
pub fn count_response(status: StatusCode) {
    let class = usize::from(status.as_u16() / 100).saturating_sub(1);
    if let Some(counter) = ANSWERS.get(class) {
        counter.increment(1);
    }
}

/// Counts readings that were not taken, by the reason's code.
pub fn count_rejected(code: &'static str, readings: u64) {
    counter!("pulso_ingest_rejected_total", "reason" => code).increment(readings);
}
