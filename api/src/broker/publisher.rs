//! The connection that publishes, kept by a supervisor of our own: on any doubt it is thrown away and made anew.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::batching_publisher::Batch;
use super::{Outcome, Refusal};

/// Wait between two attempts to connect: short, since "back within 5 s of the broker" is a promise.
const RECONNECT_EVERY: Duration = Duration::from_millis(500);

/// How often the connection is looked at without being asked: the client library's events are not all we trust.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A broker that takes longer to answer a trifle is taken for gone, such as the far end of a half-open connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Messages that wait to be stored while all is well.
const USUAL_BACKLOG: u32 = 32;
/// For each message beyond, the next one is held back by this: 100 of them, which are 100,000 heartbeats and more when
/// they are large, make 10 ms.
const BRAKE_PER_MESSAGE: Duration = Duration::from_micros(100);
/// Held back by this much, a replica still accepts ten thousand heartbeats a second.
const LONGEST_BRAKE: Duration = Duration::from_millis(50);

/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;

/// A handle on whatever connection there is; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    link: watch::Receiver<Option<Arc<Link>>>,
}

/// A connection that works, as far as we know.
///
/// Each publish has a channel for itself until it is confirmed. Two on one channel could be taken for each other: the
/// client library numbers a message and queues its frames in two steps, between which another thread's message may slip
/// in, and it pairs returned messages with confirms by their order alone.
struct Link {
    connection: Connection,
    idle_channels: Mutex<Vec<Channel>>,
    exchange: ShortString,
    routing_key: ShortString,
    beat_key: ShortString,
    store_queue: ShortString,
    properties: BasicProperties,
    /// Told when something happened that a new connection (which declares the topology again) may mend.
    doubted: Notify,
    /// Messages that waited to be stored when it was last looked.
    backlog: AtomicU32,
}

impl Publisher {
    /// Starts the supervisor, which connects now and again whenever the link breaks.
    #[must_use]
    pub fn start(url: SecretString, topology: Topology) -> Self {
        let (sender, link) = watch::channel(None);
        tokio::spawn(supervise(url, topology, sender));
        Self { link }
    }

    /// Whether a message published now could be confirmed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.link.borrow().as_ref().is_some_and(|link| !link.connection.status().blocked())
    }

    /// Publishes a beat behind the data, once: `true` when it was confirmed. Without a beat the message only shows that
    /// one could be published.
    pub async fn publish_beat(&self, beat: Option<WatermarkProbe>) -> bool {
        let Some(link) = self.link.borrow().clone() else { return false };
        let properties = match beat {
            Some(beat) => link.properties.clone().with_headers(beat.to_headers()),
            None => link.properties.clone(),
        };
        link.publish(watermark::BODY, link.beat_key.clone(), properties).await == Some(Outcome::Confirmed)
    }

    /// How many messages wait to be stored; `None` when the broker does not say so in time.
    pub async fn store_queue_depth(&self) -> Option<u32> {
        let link = self.link.borrow().clone()?;
        tokio::time::timeout(ANSWER_TIMEOUT, link.store_queue_depth()).await.ok()?.ok()
    }

    /// How long the next message is to be held back: nothing while the workers keep up, and the longer the more waits to
    /// be stored. So a backlog slows those who make it long before the queue is full and refuses them.
    pub(super) fn brake(&self) -> Duration {
        let backlog = self.link.borrow().as_ref().map_or(0, |link| link.backlog.load(Ordering::Relaxed));
        LONGEST_BRAKE.min(BRAKE_PER_MESSAGE * backlog.saturating_sub(USUAL_BACKLOG))
    }

    /// Publishes until it is confirmed, refused, or its deadline has passed. A message whose connection broke is
    /// published again on the next one: should the first copy have arrived after all, its rows are the same rows.
    pub(super) async fn deliver(&self, batch: &Batch) -> Outcome {
        let mut link = self.link.clone();
        loop {
            // What is too late already is not sent: its clients have given up, and will send it again.
            let Ok(Some(current)) = timeout_at(batch.deadline, current(&mut link)).await else {
                return Outcome::Refused(Refusal::Timeout);
            };
            let sent_at = Instant::now();
            if sent_at >= batch.deadline {
                return Outcome::Refused(Refusal::Timeout);
            }
            match timeout_at(batch.deadline, current.publish_data(&batch.body)).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => wait_for_change(&mut link, batch.deadline).await,
                Err(_) => return Outcome::Refused(current.unanswered_since(sent_at)),
            }
        }
    }
}

/// The link, once there is one; `None` when the supervisor is gone.
async fn current(link: &mut watch::Receiver<Option<Arc<Link>>>) -> Option<Arc<Link>> {
    link.wait_for(Option::is_some).await.ok().and_then(|link| link.clone())
}

/// After a broken connection: until the supervisor has noticed too, or a moment has passed.
async fn wait_for_change(link: &mut watch::Receiver<Option<Arc<Link>>>, deadline: Instant) {
    let _ = timeout_at(deadline.min(Instant::now() + CHECK_EVERY), link.changed()).await;
}

impl Link {
    async fn open(url: &SecretString, topology: &Topology) -> Result<Self, ConnectionError> {
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
            beat_key: topology.watermark_key(),
            store_queue: topology.store_queue(),
            properties,
            doubted: Notify::new(),
            backlog: AtomicU32::new(0),
        })
    }

    async fn publish_data(&self, body: &[u8]) -> Option<Outcome> {
        self.publish(body, self.routing_key.clone(), self.properties.clone()).await
    }

    /// One attempt; `None` when the connection broke under it.
    async fn publish(&self, body: &[u8], key: ShortString, properties: BasicProperties) -> Option<Outcome> {
        if self.connection.status().blocked() {
            return Some(Outcome::Refused(Refusal::Blocked));
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
            Ok(Confirmation::Nack(_)) => Some(Outcome::Refused(Refusal::QueueFull)),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested) => {
                // Our queue is gone, or the channel has forgotten its mode: declaring everything again mends both.
                self.doubted.notify_one();
                Some(Outcome::Refused(Refusal::Unroutable))
            }
            Err(error) => {
                tracing::debug!(%error, "publish interrupted");
                self.doubted.notify_one();
                None
            }
        }
    }

    /// What a publish without an answer means: a blocked broker, or else a link to be doubted if it had its time.
    fn unanswered_since(&self, sent_at: Instant) -> Refusal {
        if self.connection.status().blocked() {
            return Refusal::Blocked;
        }
        if sent_at.elapsed() >= ANSWER_TIMEOUT {
            self.doubted.notify_one();
        }
        Refusal::Timeout
    }

    /// Whether the broker still answers. A blocked one does not, and is not broken.
    async fn answers(&self) -> bool {
        if self.connection.status().blocked() {
            return true;
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, self.store_queue_depth()).await {
            Ok(Ok(depth)) => {
                self.backlog.store(depth, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    /// A channel on which this failed is dropped, and with it closed.
    async fn store_queue_depth(&self) -> lapin::Result<u32> {
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

    /// Returns when the link should be replaced.
    async fn broken(&self, events: &mut (impl Stream<Item = Event> + Unpin)) {
        loop {
            tokio::select! {
                () = self.doubted.notified() => return,
                event = events.next() => if matches!(event, None | Some(Event::Error(_))) { return },
                () = tokio::time::sleep(CHECK_EVERY) => if !self.answers().await { return },
            }
        }
    }
}

async fn supervise(url: SecretString, topology: Topology, sender: watch::Sender<Option<Arc<Link>>>) {
    while !sender.is_closed() {
        match Link::open(&url, &topology).await {
            Ok(link) => {
                let link = Arc::new(link);
                tracing::info!("broker connected");
                sender.send_replace(Some(Arc::clone(&link)));
                let mut events = Box::pin(link.connection.events_listener());
                tokio::select! {
                    () = link.broken(&mut events) => tracing::warn!("broker connection lost or in doubt; opening a new one"),
                    () = sender.closed() => {}
                }
                sender.send_replace(None);
                // Not waited for: a half-open connection would never answer the close.
                tokio::spawn(async move { within_time(link.connection.close(200, "replaced".into())).await });
            }
            Err(error) => tracing::warn!(%error, "broker not reachable"),
        }
        tokio::time::sleep(RECONNECT_EVERY).await;
    }
}
