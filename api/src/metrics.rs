//! What the API counts. Handles are made once: looking a metric up by name costs more than counting it.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Bounds of latency histograms, s.
const LATENCY_BUCKETS: &[f64] = &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// Bounds of size histograms.
const SIZE_BUCKETS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0];

/// Installs the process's recorder; the handle renders what `/metrics` shows.
///
/// # Errors
/// When one is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    use metrics_exporter_prometheus::Matcher;
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZE_BUCKETS)?
        .install_recorder()
}

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

static ANSWERS: LazyLock<[Counter; 5]> = LazyLock::new(|| {
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| counter!("pulso_http_answers_total", "class" => class))
});

/// Counts an answer by the class of its status.
pub fn count_answer(status: StatusCode) {
    let class = usize::from(status.as_u16() / 100).saturating_sub(1);
    if let Some(counter) = ANSWERS.get(class) {
        counter.increment(1);
    }
}

/// Counts readings that were not taken, by the reason's code.
pub fn count_rejected(code: &'static str, readings: u64) {
    counter!("pulso_ingest_rejected_total", "reason" => code).increment(readings);
}
