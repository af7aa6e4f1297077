//! One session: a connection from which messages are consumed, gathered into batches, and acked once they are written.
//!
//! At most `prefetch` messages are in flight. While one batch is written the next one is gathered, and no more: the
//! queue is where messages wait.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::shutdown::Shutdown;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::batcher::{BatchLimits, Batcher};
use super::delivery::Delivery;
use super::in_flight::InFlight;
use super::writer::{WriteTask, Writer};
use crate::config::BatchConfig;
use crate::metrics::STORE;

/// How often the queue's depth is read, which also proves that the connection works.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// What every session needs.
pub struct SessionSettings {
    pub amqp_url: SecretString,
    pub topology: Topology,
    pub batch: BatchConfig,
    pub clock: Clock,
    pub in_flight: Arc<InFlight>,
}

/// Why a session ended before the shutdown.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    #[error("the broker cancelled the consumer")]
    Cancelled,
    /// Nobody else knows what it has in flight: what was delivered is to be delivered to others.
    #[error("the watermark cannot be reported")]
    Unreported,
    #[error("the writer failed: {0}")]
    Writer(#[from] tokio::task::JoinError),
}

impl From<lapin::Error> for SessionError {
    fn from(error: lapin::Error) -> Self {
        Self::Broker(error.into())
    }
}

/// One connection and what is in flight on it.
pub struct Session {
    connection: Connection,
    channel: Channel,
    deliveries: Consumer,
    queue: ShortString,
    batcher: Batcher<Delivery>,
    writing: Option<WriteTask>,
    writer: Arc<Mutex<Writer>>,
    clock: Clock,
    in_flight: Arc<InFlight>,
}

impl Session {
    /// Connects and begins to consume.
    pub async fn open(settings: &SessionSettings, writer: Arc<Mutex<Writer>>) -> Result<Self, SessionError> {
        let connection = connect::open(&settings.amqp_url, "pulso-worker consumer").await?;
        settings.topology.declare(&connection).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.basic_qos(settings.batch.prefetch, BasicQosOptions::default())).await?;
        let queue = settings.topology.store_queue();
        let deliveries = within_time(channel.basic_consume(
            queue.clone(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        ))
        .await?;
        let limits = BatchLimits {
            max_rows: usize::try_from(settings.batch.batch_max_rows).unwrap_or(usize::MAX),
            // Half, so that the next batch can be gathered while this one is written.
            max_items: usize::from(settings.batch.prefetch / 2).max(1),
            interval: settings.batch.batch_interval,
        };
        let batcher = Batcher::new(limits);
        let (clock, in_flight) = (settings.clock, Arc::clone(&settings.in_flight));
        Ok(Self { connection, channel, deliveries, queue, batcher, writing: None, writer, clock, in_flight })
    }

    /// Gathers, writes and acks until the shutdown.
    pub async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), SessionError> {
        let mut check = tokio::time::interval(CHECK_EVERY);
        loop {
            let due_at = self.batcher.due_at().filter(|_| self.writing.is_none());
            let is_known = self.in_flight.may_grow();
            if !is_known && !self.has_in_flight() {
                return Err(SessionError::Unreported);
            }
            tokio::select! {
                delivery = self.deliveries.next(), if is_known && !self.batcher.is_full() => self.gather(delivery)?,
                () = sleep_until(due_at.unwrap_or_else(Instant::now)), if due_at.is_some() => self.start_writing(),
                done = written(&mut self.writing), if self.writing.is_some() => {
                    done?;
                    self.acknowledge().await?;
                }
                _ = check.tick() => self.check().await?,
                () = shutdown.requested() => return Ok(()),
            }
        }
    }

    fn gather(&mut self, delivery: Option<lapin::Result<lapin::message::Delivery>>) -> Result<(), SessionError> {
        let delivery = Delivery::decode(delivery.ok_or(SessionError::Cancelled)??);
        let rows = delivery.rows();
        self.in_flight.delivered(delivery.received_at());
        self.batcher.push(delivery, rows, Instant::now());
        Ok(())
    }

    /// Starts writing what is gathered, unless a batch is being written already.
    pub fn start_writing(&mut self) {
        if self.writing.is_none() && !self.batcher.is_empty() {
            self.in_flight.writing();
            let deliveries = self.batcher.take(Instant::now());
            self.writing = WriteTask::start(Arc::clone(&self.writer), deliveries);
        }
    }

    /// Acks the batch that is written: all tags up to its last one, because batches are written in the order of their
    /// tags.
    pub async fn acknowledge(&mut self) -> Result<(), SessionError> {
        if let Some(written) = self.writing.take() {
            let all_up_to = BasicAckOptions { multiple: true };
            within_time(self.channel.basic_ack(written.last_tag, all_up_to)).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), SessionError> {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(self.queue.clone(), passive, FieldTable::default());
        let depth = within_time(queue).await?.message_count();
        STORE.queue_depth.set(f64::from(depth));
        // A commit sets the lag too; while none succeeds, it grows here.
        match &self.writing {
            Some(WriteTask { oldest: Some(oldest), .. }) => STORE.lag.set((self.clock.now() - oldest).as_seconds_f64()),
            None if depth == 0 && self.batcher.is_empty() => STORE.lag.set(0.0),
            _ => {}
        }
        Ok(())
    }

    /// Tells the broker to deliver nothing more.
    pub async fn stop_consuming(&self) -> Result<(), SessionError> {
        let tag = self.deliveries.tag();
        Ok(within_time(self.channel.basic_cancel(tag, BasicCancelOptions::default())).await?)
    }

    /// Whether deliveries are not written or not acked yet.
    pub fn has_in_flight(&self) -> bool {
        self.writing.is_some() || !self.batcher.is_empty()
    }

    /// Waits until the batch that is being written is written; without one, never returns.
    pub async fn written(&mut self) -> Result<(), SessionError> {
        written(&mut self.writing).await
    }

    /// Ends the session; what is not acked the broker delivers again.
    pub async fn close(self) {
        drop(self.writing);
        self.in_flight.requeued();
        if let Err(error) = within_time(self.connection.close(200, "session ended".into())).await {
            tracing::debug!(%error, "connection not closed cleanly");
        }
    }
}

/// A function, not a method: `run` waits for it while it borrows the session's other fields.
async fn written(writing: &mut Option<WriteTask>) -> Result<(), SessionError> {
    match writing {
        Some(task) => Ok(task.finished().await?),
        None => std::future::pending().await,
    }
}
