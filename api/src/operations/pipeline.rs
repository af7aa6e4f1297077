//! The pipeline's state, put together from the queues, the database and our own counters.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::{PipelineResponse, QueueResponse};
use super::store;
use crate::broker::QueueDepth;
use crate::http::error::ApiError;
use crate::state::AppState;

/// Below, the counts are too coarse to be divided by the time.
const SHORTEST: Duration = Duration::from_secs(1);
/// A rate over more than this says nothing about now.
const LONGEST: Duration = Duration::from_secs(600);

/// The counts at the last look, from which the next one makes rates.
#[derive(Debug, Default)]
pub struct PipelineSamples(Mutex<Option<Sample>>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    at: Instant,
    accepted: f64,
    stored: f64,
}

/// Readings a second between two looks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rates {
    accepted_per_s: f64,
    stored_per_s: f64,
    measured_s: f64,
}

/// Looks at everything.
pub async fn look(state: &AppState) -> Result<PipelineResponse, ApiError> {
    let queues = state.broker.queue_depths().await?;
    let stored = store::stored(&mut *state.db.get().await?).await?;
    let age_s = stored.newest.map(|newest| (state.clock.now() - newest).as_seconds_f64().max(0.0));
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of readings, for rates")]
    let (accepted, inserted) = (state.publisher.accepted().total() as f64, stored.inserted as f64);
    let sample = Sample { at: Instant::now(), accepted, stored: inserted };
    let rates = state.pipeline_samples.rates(sample);
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

impl PipelineSamples {
    fn rates(&self, now: Sample) -> Option<Rates> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rates = last.and_then(|last| Rates::between(last, now));
        if rates.is_some() || last.is_none_or(|last| now.at - last.at > SHORTEST) {
            *last = Some(now);
        }
        rates
    }
}

impl Rates {
    fn between(last: Sample, now: Sample) -> Option<Self> {
        let passed = now.at.saturating_duration_since(last.at);
        // A count that has become smaller: a partition was dropped, or the statistics were reset.
        let grew = now.accepted >= last.accepted && now.stored >= last.stored;
        let measured_s = passed.as_secs_f64();
        ((SHORTEST..=LONGEST).contains(&passed) && grew).then(|| Self {
            accepted_per_s: (now.accepted - last.accepted) / measured_s,
            stored_per_s: (now.stored - last.stored) / measured_s,
            measured_s,
        })
    }
}

impl From<QueueDepth> for QueueResponse {
    fn from(depth: QueueDepth) -> Self {
        Self { messages: depth.messages, consumers: depth.consumers }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{PipelineSamples, Sample};

    #[test]
    fn a_rate_needs_two_looks_that_are_neither_too_near_nor_too_far() {
        let (samples, start) = (PipelineSamples::default(), Instant::now());
        let at = |seconds: f64, count: f64| Sample {
            at: start + Duration::from_secs_f64(seconds),
            accepted: count,
            stored: 2.0 * count,
        };
        assert_eq!(samples.rates(at(0.0, 0.0)), None);
        assert_eq!(samples.rates(at(0.5, 50.0)), None);
        let rates = samples.rates(at(2.0, 100.0)).unwrap();
        assert_eq!((rates.accepted_per_s, rates.stored_per_s, rates.measured_s), (50.0, 100.0, 2.0));
        assert_eq!(samples.rates(at(1_000.0, 200.0)), None);
        assert_eq!(samples.rates(at(1_002.0, 100.0)), None, "a count that became smaller");
    }
}
