//! The only module that talks to RabbitMQ. One session after the other: connect, consume, gather, store, ack; on any
//! doubt the session is dropped, and the broker delivers again whatever was not acknowledged.
//!
//! At most `prefetch` messages are in hand. While a batch is being written the next one is gathered, no more: the
//! queue is where things wait.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
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
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::batcher::{BatchLimits, Batcher};
use crate::config::BatchConfig;
use crate::dead_letter::DeadLetters;
use crate::delivery::Delivery;
use crate::health::Readiness;
use crate::metrics::STORE;
use crate::pipeline;
use crate::presence::{Holdings, record_beats};
use crate::storage::Database;

/// Waits between two sessions: the first, and the longest. A session that lasted resets it; sessions that fail at once
/// must not bring their messages to the delivery limit in a minute.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);
/// A session that lasted this long was a good one.
const GOOD_SESSION: Duration = Duration::from_secs(10);
/// How often the queue's depth is asked for, and with it whether the connection still works.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// After SIGTERM, how long what is in hand may take to be stored. What is not, the broker delivers again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// What the consumer needs.
pub struct ConsumerSettings {
    /// The broker.
    pub amqp_url: SecretString,
    /// Names.
    pub topology: Topology,
    /// Batches.
    pub batch: BatchConfig,
    /// The time.
    pub clock: Clock,
    /// What is in hand, for whoever has to know how far storage is.
    pub holdings: Arc<Holdings>,
}

/// Why a session ended before it was told to.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    #[error("the broker cancelled the consumer")]
    Cancelled,
    #[error("the writer failed: {0}")]
    Writer(#[from] tokio::task::JoinError),
}

impl From<lapin::Error> for SessionError {
    fn from(error: lapin::Error) -> Self {
        Self::Broker(error.into())
    }
}

/// Consumes until the order to stop.
pub async fn run(settings: ConsumerSettings, database: Database, readiness: Arc<Readiness>, mut shutdown: Shutdown) {
    let dead_letters = DeadLetters::new(settings.amqp_url.clone(), settings.topology.clone(), settings.clock);
    let holdings = Arc::clone(&settings.holdings);
    let writer = Arc::new(Mutex::new(Writer { database, dead_letters, holdings }));
    let mut backoff = FIRST_BACKOFF;
    while !shutdown.is_requested() {
        let started = Instant::now();
        match Session::open(&settings, Arc::clone(&writer)).await {
            Ok(mut session) => {
                tracing::info!("consuming");
                readiness.set_consuming(true);
                let ended = session.run(&mut shutdown).await;
                readiness.set_consuming(false);
                session.close().await;
                match ended {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "session ended; what was in hand will be delivered again"),
                }
            }
            Err(error) => tracing::warn!(%error, "broker not reachable"),
        }
        backoff = if started.elapsed() >= GOOD_SESSION { FIRST_BACKOFF } else { backoff };
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            () = shutdown.requested() => {}
        }
        backoff = LONGEST_BACKOFF.min(backoff.saturating_mul(2));
    }
}

/// Where a batch ends: in the database, or what cannot, among the dead letters.
struct Writer {
    database: Database,
    dead_letters: DeadLetters,
    holdings: Arc<Holdings>,
}

impl Writer {
    async fn write(&mut self, deliveries: Vec<Delivery>, clock: Clock) {
        let beats: Vec<_> = deliveries.iter().filter_map(|delivery| delivery.beat).collect();
        let leftovers = pipeline::store(&mut self.database, deliveries, clock).await;
        // A beat says that what was before it is stored: so not before it is.
        record_beats(&mut self.database, &beats).await;
        self.holdings.stored();
        self.dead_letters.bury(leftovers).await;
    }
}

/// One connection's life.
struct Session {
    connection: Connection,
    channel: Channel,
    deliveries: Consumer,
    queue: ShortString,
    batcher: Batcher<Delivery>,
    writing: Option<Writing>,
    writer: Arc<Mutex<Writer>>,
    clock: Clock,
    holdings: Arc<Holdings>,
}

/// A batch on its way into the database.
struct Writing {
    last_tag: u64,
    /// When the API accepted the oldest of it.
    oldest: Option<DateTime<Utc>>,
    task: JoinHandle<()>,
}

impl Drop for Writing {
    /// A session that ends takes its writer along: the same rows come again, and must not meet themselves.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    async fn open(settings: &ConsumerSettings, writer: Arc<Mutex<Writer>>) -> Result<Self, SessionError> {
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
            // Half, so that the next batch can gather while this one is being written.
            max_items: usize::from(settings.batch.prefetch / 2).max(1),
            interval: settings.batch.batch_interval,
        };
        let batcher = Batcher::new(limits);
        let (clock, holdings) = (settings.clock, Arc::clone(&settings.holdings));
        Ok(Self { connection, channel, deliveries, queue, batcher, writing: None, writer, clock, holdings })
    }

    /// Gathers, writes and acknowledges until the order to stop, then finishes what is in hand.
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<(), SessionError> {
        let mut check = tokio::time::interval(CHECK_EVERY);
        loop {
            let due_at = self.batcher.due_at().filter(|_| self.writing.is_none());
            tokio::select! {
                delivery = self.deliveries.next(), if !self.batcher.is_full() => self.gather(delivery)?,
                () = sleep_until(due_at.unwrap_or_else(Instant::now)), if due_at.is_some() => self.start_writing(),
                done = written(&mut self.writing), if self.writing.is_some() => {
                    done?;
                    self.acknowledge().await?;
                }
                _ = check.tick() => self.check().await?,
                () = shutdown.requested() => return self.drain().await,
            }
        }
    }

    fn gather(&mut self, delivery: Option<lapin::Result<lapin::message::Delivery>>) -> Result<(), SessionError> {
        let delivery = Delivery::read(delivery.ok_or(SessionError::Cancelled)??);
        let rows = delivery.rows();
        self.holdings.taken(delivery.received_at());
        self.batcher.push(delivery, rows, Instant::now());
        Ok(())
    }

    fn start_writing(&mut self) {
        let deliveries = self.batcher.take(Instant::now());
        let Some(last_tag) = deliveries.last().map(|delivery| delivery.tag) else { return };
        let oldest = deliveries.first().and_then(Delivery::received_at);
        self.holdings.writing();
        let (writer, clock) = (Arc::clone(&self.writer), self.clock);
        let task = tokio::spawn(async move { writer.lock().await.write(deliveries, clock).await });
        self.writing = Some(Writing { last_tag, oldest, task });
    }

    /// Acknowledges the batch that is written: all tags up to its last one, since batches are written in the order of
    /// their tags.
    async fn acknowledge(&mut self) -> Result<(), SessionError> {
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
        // A commit tells the lag as well; while none succeeds, what is in hand grows older here.
        match &self.writing {
            Some(Writing { oldest: Some(oldest), .. }) => STORE.lag.set((self.clock.now() - oldest).as_seconds_f64()),
            None if depth == 0 && self.batcher.is_empty() => STORE.lag.set(0.0),
            _ => {}
        }
        Ok(())
    }

    /// Takes nothing more, and stores what is in hand.
    async fn drain(&mut self) -> Result<(), SessionError> {
        tracing::info!("draining");
        within_time(self.channel.basic_cancel(self.deliveries.tag(), BasicCancelOptions::default())).await?;
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
            while self.writing.is_some() || !self.batcher.is_empty() {
                if self.writing.is_none() {
                    self.start_writing();
                }
                written(&mut self.writing).await?;
                self.acknowledge().await?;
            }
            Ok(())
        });
        match drained.await {
            Ok(done) => done,
            Err(_) => {
                tracing::warn!("not all in hand could be stored in time; it stays in the queue");
                Ok(())
            }
        }
    }

    async fn close(self) {
        drop(self.writing);
        self.holdings.given_back();
        if let Err(error) = within_time(self.connection.close(200, "session ended".into())).await {
            tracing::debug!(%error, "connection not closed cleanly");
        }
    }
}

/// Returns when what is being written is written; never where nothing is.
async fn written(writing: &mut Option<Writing>) -> Result<(), SessionError> {
    match writing {
        Some(writing) => Ok((&mut writing.task).await?),
        None => std::future::pending().await,
    }
}
