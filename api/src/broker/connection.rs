//! The connection that publishes. It is never mended: on any doubt it is thrown away and opened anew.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::message::{CONTENT_TYPE, MESSAGE_TYPE};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::amqp::watermark::{self, WatermarkProbe};
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::outcome::{Outcome, PublishError};

/// How often the connection is checked without being used: the client library's events are not all we trust.
pub const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A broker that takes longer to answer a trifle is taken for gone, such as the far end of a half-open connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;

/// A connection that works, as far as we know.
///
/// Each publish has a channel for itself until it is confirmed. Two on one channel could be taken for each other: the
/// client library numbers a message and queues its frames in two steps, between which another thread's message may slip
/// in, and it pairs returned messages with confirms by their order alone.
pub struct PublishConnection {
    connection: Connection,
    idle_channels: Mutex<Vec<Channel>>,
    exchange: ShortString,
    routing_key: ShortString,
    probe_key: ShortString,
    store_queue: ShortString,
    properties: BasicProperties,
    /// Notified when something happened that a new connection (which declares the topology again) may mend.
    doubted: Notify,
    /// Messages in the store queue at the last check.
    backlog: AtomicU32,
}

impl PublishConnection {
    pub async fn open(url: &SecretString, topology: &Topology) -> Result<Self, ConnectionError> {
        let connection = connect::open(url, "pulso-api publisher").await?;
        topology.declare(&connection).await?;
        let properties = BasicProperties::default()
            .with_type(MESSAGE_TYPE.into())
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT);
        Ok(Self {
            connection,
            idle_channels: Mutex::default(),
            exchange: topology.telemetry_exchange(),
            routing_key: topology.telemetry_key(),
            probe_key: topology.watermark_key(),
            store_queue: topology.store_queue(),
            properties,
            doubted: Notify::new(),
            backlog: AtomicU32::new(0),
        })
    }

    /// Whether a message published now could be confirmed.
    pub fn is_ready(&self) -> bool {
        !self.connection.status().blocked()
    }

    pub fn backlog(&self) -> u32 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub async fn publish_data(&self, body: &[u8]) -> Option<Outcome> {
        self.publish(body, self.routing_key.clone(), self.properties.clone()).await
    }

    /// Publishes a watermark probe; without a claim the message only shows that one could be published.
    pub async fn publish_probe(&self, claim: Option<WatermarkProbe>) -> Option<Outcome> {
        let properties = match claim {
            Some(claim) => self.properties.clone().with_headers(claim.to_headers()),
            None => self.properties.clone(),
        };
        self.publish(watermark::BODY, self.probe_key.clone(), properties).await
    }

    /// One attempt; `None` when the connection broke under it.
    async fn publish(&self, body: &[u8], key: ShortString, properties: BasicProperties) -> Option<Outcome> {
        if self.connection.status().blocked() {
            return Some(Outcome::Failed(PublishError::Blocked));
        }
        // Mandatory: RabbitMQ confirms a message that no queue gets, unless it is asked to return it.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirmation = async {
            let channel = self.take_channel().await?;
            let confirm = channel.basic_publish(self.exchange.clone(), key, options, body, properties).await?;
            let confirmation = confirm.await?;
            // Only a channel whose publish has been answered is used again; any other is dropped, and with it closed.
            self.return_channel(channel);
            Ok::<_, lapin::Error>(confirmation)
        };
        match confirmation.await {
            Ok(Confirmation::Ack(None)) => Some(Outcome::Confirmed),
            Ok(Confirmation::Nack(_)) => Some(Outcome::Failed(PublishError::QueueFull)),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested) => {
                // Our queue is gone, or the channel has forgotten its mode: declaring everything again mends both.
                self.doubted.notify_one();
                Some(Outcome::Failed(PublishError::Unroutable))
            }
            Err(error) => {
                tracing::debug!(%error, "publish interrupted");
                self.doubted.notify_one();
                None
            }
        }
    }

    /// What a publish without an answer means: a blocked broker, or else a connection to be doubted if it had its time.
    pub fn unanswered_since(&self, sent_at: Instant) -> PublishError {
        if self.connection.status().blocked() {
            return PublishError::Blocked;
        }
        if sent_at.elapsed() >= ANSWER_TIMEOUT {
            self.doubted.notify_one();
        }
        PublishError::Timeout
    }

    /// Whether the broker still answers. A blocked one does not, and is not broken.
    async fn answers(&self) -> bool {
        if self.connection.status().blocked() {
            return true;
        }
        let depth = self.store_queue_depth().await;
        if let Some(depth) = depth {
            self.backlog.store(depth, Ordering::Relaxed);
        }
        depth.is_some()
    }

    /// Messages in the store queue; `None` when the broker does not say so in time.
    pub async fn store_queue_depth(&self) -> Option<u32> {
        tokio::time::timeout(ANSWER_TIMEOUT, self.declare_passively()).await.ok()?.ok()
    }

    /// A channel on which this failed is dropped, and with it closed.
    async fn declare_passively(&self) -> lapin::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let channel = self.take_channel().await?;
        let queue = channel.queue_declare(self.store_queue.clone(), passive, FieldTable::default()).await?;
        self.return_channel(channel);
        Ok(queue.message_count())
    }

    async fn take_channel(&self) -> lapin::Result<Channel> {
        if let Some(channel) = self.channels().pop() {
            return Ok(channel);
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    fn return_channel(&self, channel: Channel) {
        self.channels().push(channel);
    }

    fn channels(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle_channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn broken(&self, events: &mut (impl Stream<Item = Event> + Unpin)) {
        loop {
            tokio::select! {
                () = self.doubted.notified() => return,
                event = events.next() => if matches!(event, None | Some(Event::Error(_))) { return },
                () = tokio::time::sleep(CHECK_EVERY) => if !self.answers().await { return },
            }
        }
    }

    /// Returns once the connection is broken or in doubt.
    pub async fn watch(&self) {
        let mut events = Box::pin(self.connection.events_listener());
        self.broken(&mut events).await;
    }

    pub async fn close(&self) {
        let _ = within_time(self.connection.close(200, "replaced".into())).await;
    }
}
