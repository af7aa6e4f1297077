//! The pipeline's state, put together from the queues, the database and our own counters; and the dead letters.

use metrics_exporter_prometheus::PrometheusHandle;
use pulso_shared::amqp::dead_letters::Listing;
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::config::BrokerConfig;
use tokio::time::Instant;

use super::rates::{PipelineSamples, Sample};
use super::types::{PipelineResponse, QueueResponse};
use super::{dead_letters, store};
use crate::broker::{QueueState, QueueStates};
use crate::db::DbPool;
use crate::http::error::ApiError;

/// The counter of [`crate::http::metrics::INGEST`], as it is rendered.
const ACCEPTED: &str = "pulso_ingest_accepted_total ";

/// The state of the pipeline.
pub async fn look(
    broker: &BrokerConfig,
    db: &DbPool,
    clock: &Clock,
    metrics: &PrometheusHandle,
    samples: &PipelineSamples,
) -> Result<PipelineResponse, ApiError> {
    let queues = QueueStates::ask(&broker.amqp_url, &Topology::new(broker)).await?;
    let stored = store::stored(&mut *db.get().await?).await?;
    let age_s = stored.newest.map(|newest| (clock.now() - newest).as_seconds_f64().max(0.0));
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a count of rows, for a rate")]
    let inserted = stored.inserted as f64;
    let sample = Sample { at: Instant::now(), accepted: accepted(&metrics.render()), stored: inserted };
    let rates = samples.rates(sample);
    Ok(PipelineResponse {
        store_queue: queues.store.into(),
        dead_letters: queues.dead.into(),
        accepted_per_s: rates.map(|rates| rates.accepted_per_s),
        stored_per_s: rates.map(|rates| rates.stored_per_s),
        measured_s: rates.map(|rates| rates.measured_s),
        lag_s: if queues.store.messages == 0 { Some(0.0) } else { age_s },
        newest_stored_age_s: age_s,
    })
}

/// The oldest dead letters, at most so many.
pub async fn list_dead_letters(broker: &BrokerConfig, limit: u16) -> Result<Listing, ApiError> {
    let browser = dead_letters::open(broker).await?;
    let listing = browser.list(usize::from(limit)).await;
    browser.close().await;
    Ok(listing?)
}

impl From<QueueState> for QueueResponse {
    fn from(state: QueueState) -> Self {
        Self { messages: state.messages, consumers: state.consumers }
    }
}

fn accepted(metrics: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(ACCEPTED));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn the_counter_is_found_among_the_metrics() {
        assert_eq!(accepted("# TYPE x counter\npulso_ingest_accepted_total 42\n"), 42.0);
        assert_eq!(accepted(""), 0.0);
    }
}
