//! Publishing over whatever connection there is, and the supervisor that opens a new one when it breaks.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::amqp::watermark::WatermarkProbe;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::accepted::{AcceptedCounter, AcceptedCounts};
use super::connection::{CHECK_EVERY, PublishConnection};
use super::outcome::{Outcome, PublishError};
use super::unconfirmed::{Unconfirmed, UnconfirmedOfThread};

/// Wait between two attempts to connect: short, since "back within 5 s of the broker" is a promise.
const RECONNECT_EVERY: Duration = Duration::from_millis(500);

/// Messages that wait to be stored while all is well.
const USUAL_BACKLOG: u32 = 32;
/// For each message beyond, the next one is held back by this: 100 of them, which are 100,000 heartbeats and more when
/// they are large, make 10 ms.
const DELAY_PER_MESSAGE: Duration = Duration::from_micros(100);
/// Held back by this much, a replica still accepts ten thousand heartbeats a second.
const MAX_BACKPRESSURE_DELAY: Duration = Duration::from_millis(50);

type Current = Option<Arc<PublishConnection>>;

/// A handle on whatever connection there is; cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    connection: watch::Receiver<Current>,
    accepted: Arc<AcceptedCounts>,
    unconfirmed: Unconfirmed,
}

impl Publisher {
    /// A publisher without a connection, and the task that connects it and keeps it connected.
    pub fn new(url: SecretString, topology: Topology) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (sender, connection) = watch::channel(None);
        (
            Self { connection, accepted: Arc::default(), unconfirmed: Unconfirmed::default() },
            keep_connected(url, topology, sender),
        )
    }

    /// The accepted readings of this process.
    pub fn accepted(&self) -> &AcceptedCounts {
        &self.accepted
    }

    /// A counter of accepted readings for one HTTP thread.
    pub fn accepted_counter(&self) -> AcceptedCounter {
        AcceptedCounter::new(Arc::clone(&self.accepted))
    }

    /// When the oldest data was received that the broker has not confirmed; `None` when there is none.
    pub fn oldest_unconfirmed(&self) -> Option<DateTime<Utc>> {
        self.unconfirmed.oldest()
    }

    /// The unconfirmed messages of one HTTP thread.
    pub fn unconfirmed_of_thread(&self) -> UnconfirmedOfThread {
        self.unconfirmed.of_thread()
    }

    /// Whether a message published now could be confirmed.
    pub fn is_ready(&self) -> bool {
        self.connection.borrow().as_ref().is_some_and(|connection| connection.is_ready())
    }

    /// Publishes a watermark probe behind the data, once: `true` when it was confirmed. Without a claim the message only
    /// shows that one could be published.
    pub async fn publish_probe(&self, claim: Option<WatermarkProbe>) -> bool {
        let Some(connection) = self.connection.borrow().clone() else { return false };
        connection.publish_probe(claim).await == Some(Outcome::Confirmed)
    }

    /// How many messages wait to be stored; `None` when the broker does not say so in time.
    pub async fn store_queue_depth(&self) -> Option<u32> {
        let connection = self.connection.borrow().clone()?;
        connection.store_queue_depth().await
    }

    /// How long the next message is to be held back: nothing while the workers keep up, and the longer the more waits to
    /// be stored. So a backlog slows those who make it long before the queue is full and refuses them.
    pub fn backpressure_delay(&self) -> Duration {
        let backlog = self.connection.borrow().as_ref().map_or(0, |connection| connection.backlog());
        MAX_BACKPRESSURE_DELAY.min(DELAY_PER_MESSAGE * backlog.saturating_sub(USUAL_BACKLOG))
    }

    /// Publishes until the message is confirmed, refused, or its deadline has passed. A message whose connection broke is
    /// published again on the next one: should the first copy have arrived after all, its rows are the same rows.
    pub async fn deliver(&self, body: &[u8], deadline: Instant) -> Outcome {
        let mut connection = self.connection.clone();
        loop {
            // What is too late already is not sent: its clients have given up, and will send it again.
            let Ok(Some(current)) = timeout_at(deadline, current(&mut connection)).await else {
                return Outcome::Failed(PublishError::Timeout);
            };
            let sent_at = Instant::now();
            if sent_at >= deadline {
                return Outcome::Failed(PublishError::Timeout);
            }
            match timeout_at(deadline, current.publish_data(body)).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => wait_for_change(&mut connection, deadline).await,
                Err(_) => return Outcome::Failed(current.unanswered_since(sent_at)),
            }
        }
    }
}

/// The connection, once there is one; `None` when the supervisor is gone.
async fn current(connection: &mut watch::Receiver<Current>) -> Current {
    connection.wait_for(Option::is_some).await.ok().and_then(|connection| connection.clone())
}

/// After a broken connection: until the supervisor has noticed too, or a moment has passed.
async fn wait_for_change(connection: &mut watch::Receiver<Current>, deadline: Instant) {
    let _ = timeout_at(deadline.min(Instant::now() + CHECK_EVERY), connection.changed()).await;
}

/// Connects now, and again whenever the connection breaks, until every publisher is dropped.
async fn keep_connected(url: SecretString, topology: Topology, sender: watch::Sender<Current>) {
    while !sender.is_closed() {
        match PublishConnection::open(&url, &topology).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                tracing::info!("broker connected");
                sender.send_replace(Some(Arc::clone(&connection)));
                tokio::select! {
                    () = connection.watch() => {
                        tracing::warn!("broker connection lost or in doubt; opening a new one");
                    }
                    () = sender.closed() => {}
                }
                sender.send_replace(None);
                // Not waited for: a half-open connection would never answer the close.
                tokio::spawn(async move { connection.close().await });
            }
            Err(error) => tracing::warn!(%error, "broker not reachable"),
        }
        tokio::time::sleep(RECONNECT_EVERY).await;
    }
}
