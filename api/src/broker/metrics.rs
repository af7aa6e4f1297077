//! Metrics of publishing. Handles are made once: looking a metric up by name costs more than counting.

use std::sync::LazyLock;

use metrics::{Counter, Histogram, counter, histogram};

pub struct PublishMetrics {
    /// Readings confirmed by the broker; set from [`super::AcceptedCounts`].
    pub accepted: Counter,
    /// Messages confirmed by the broker.
    pub messages: Counter,
    /// From the first reading in a message to its confirm, s.
    pub latency: Histogram,
    /// Readings in a message.
    pub batch_size: Histogram,
}

pub static PUBLISH: LazyLock<PublishMetrics> = LazyLock::new(|| PublishMetrics {
    accepted: counter!("pulso_ingest_accepted_total"),
    messages: counter!("pulso_ingest_messages_total"),
    latency: histogram!("pulso_publish_latency_seconds"),
    batch_size: histogram!("pulso_publish_batch_size"),
});
