//! Writes batches: rows to the database, dead letters to the outbox, watermark probes behind them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::watermark::WatermarkProbe;
use pulso_shared::clock::Clock;
use pulso_shared::throughput::ThroughputCounter;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinHandle};

use super::delivery::Delivery;
use super::in_flight::InFlight;
use super::retry::{self, BACKOFF};
use crate::backoff;
use crate::dead_letters::Rejected;
use crate::error::StoreError;
use crate::metrics::STORE;
use crate::storage::Database;

/// Everything that a batch's rows go through.
pub struct Writer {
    pub database: Database,
    pub in_flight: Arc<InFlight>,
    pub throughput: Arc<ThroughputCounter>,
    pub clock: Clock,
}

impl Writer {
    async fn write(&mut self, deliveries: Vec<Delivery>) {
        let probes: Vec<_> = deliveries.iter().filter_map(|delivery| delivery.probe).collect();
        let rejected = retry::store(&mut self.database, deliveries, &self.throughput, self.clock).await;
        // A probe proves that what was before it in the queue is stored, so it comes after the rows.
        self.record_probes(&probes).await;
        self.in_flight.stored();
        self.keep_dead_letters(rejected).await;
    }

    /// Commits dead letters to the outbox: only then may their messages be acked. The broker's dead-letter queue may be
    /// full for days, and storing must not wait for it; the database has just taken their neighbours.
    async fn keep_dead_letters(&mut self, rejected: Rejected) {
        let letters = rejected.into_letters(self.clock.now());
        if letters.is_empty() {
            return;
        }
        let letters = &letters;
        let notify = |error: &StoreError, retry_in| {
            tracing::warn!(%error, ?retry_in, "dead letters not kept; retrying");
            STORE.retries.increment(1);
        };
        backoff::retry(
            BACKOFF,
            &mut self.database,
            |database| async move {
                let kept = database.insert_dead_letters(letters).await;
                (database, kept)
            },
            notify,
        )
        .await;
    }

    /// Records probes, however long it takes: a lost one would look like an outage window.
    async fn record_probes(&mut self, probes: &[WatermarkProbe]) {
        if probes.is_empty() {
            return;
        }
        let notify = |error: &StoreError, retry_in| {
            tracing::warn!(%error, ?retry_in, "watermark probes not stored; retrying");
            STORE.retries.increment(1);
        };
        backoff::retry(
            BACKOFF,
            &mut self.database,
            |database| async move {
                let recorded = database.record_probes(probes).await;
                (database, recorded)
            },
            notify,
        )
        .await;
    }
}

/// A batch that is being written, beside the session that gathers the next one.
pub struct WriteTask {
    /// All deliveries up to this tag are in this batch, or in one before it.
    pub last_tag: u64,
    /// When the API accepted the oldest submission of the batch.
    pub oldest: Option<DateTime<Utc>>,
    task: JoinHandle<()>,
}

impl WriteTask {
    /// Starts writing a batch; `None` when it is empty.
    pub fn start(writer: Arc<Mutex<Writer>>, deliveries: Vec<Delivery>) -> Option<Self> {
        let last_tag = deliveries.last()?.tag;
        let oldest = deliveries.first().and_then(Delivery::received_at);
        let task = tokio::spawn(async move { writer.lock().await.write(deliveries).await });
        Some(Self { last_tag, oldest, task })
    }

    /// Waits until the batch is written.
    pub async fn finished(&mut self) -> Result<(), JoinError> {
        (&mut self.task).await
    }
}

impl Drop for WriteTask {
    /// With its session ends its write: the broker delivers the same rows again, and two transactions must not write
    /// them at the same time.
    fn drop(&mut self) {
        self.task.abort();
    }
}
