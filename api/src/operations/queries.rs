//! The pipeline's state, put together from the queues, the database and this replica's own counts.

use pulso_shared::clock::Clock;
use tokio::time::Instant;

use super::rates::{PipelineSamples, Sample};
use super::store;
use super::types::{PipelineResponse, QueueResponse};
use crate::broker::{BrokerAdmin, Publisher, QueueDepth};
use crate::db::DbPool;
use crate::http::error::ApiError;

/// The state of the pipeline.
pub async fn pipeline_state(
    broker: &BrokerAdmin,
    publisher: &Publisher,
    db: &DbPool,
    clock: &Clock,
    samples: &PipelineSamples,
) -> Result<PipelineResponse, ApiError> {
    let queues = broker.queue_depths().await?;
    let stored = store::stored(&mut *db.get().await?).await?;
    let age_s = stored.newest.map(|newest| (clock.now() - newest).as_seconds_f64().max(0.0));
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of readings, for rates")]
    let (accepted, inserted) = (publisher.accepted().total() as f64, stored.inserted as f64);
    let rates = samples.rates(Sample { at: Instant::now(), accepted, stored: inserted });
    Ok(PipelineResponse {
        store_queue: queues.store.into(),
        dead_letters: queues.dead_letters.into(),
        accepted_per_s: rates.map(|rates| rates.accepted_per_s),
        stored_per_s: rates.map(|rates| rates.stored_per_s),
        measured_s: rates.map(|rates| rates.measured_s),
        lag_s: if queues.store.messages == 0 { Some(0.0) } else { age_s },
        newest_stored_age_s: age_s,
    })
}

impl From<QueueDepth> for QueueResponse {
    fn from(depth: QueueDepth) -> Self {
        Self { messages: depth.messages, consumers: depth.consumers }
    }
}
