//! What administrators see and do in RabbitMQ: queue depths and dead letters.
//!
//! Each call opens a connection and closes it: the one that publishes is not read by the broker while it is short of
//! memory or disk, which is when somebody wants to look; and nothing here can stand in the way of ingest.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::dead_letters::{BrowseError, Choice, DeadLetterBrowser, Listing, Replayed};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::ids::DeadLetterId;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::http::error::ApiError;

/// How long a replay may go on; whoever asked still waits for the answer then.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(20);

/// A queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages ready for delivery: those a consumer has not acknowledged yet are not among them.
    pub messages: u32,
    pub consumers: u32,
}

/// Our queues at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepths {
    pub store: QueueDepth,
    pub dead_letters: QueueDepth,
}

/// The broker, for administrators.
pub struct BrokerAdmin {
    url: SecretString,
    topology: Topology,
}

impl BrokerAdmin {
    pub fn new(url: SecretString, topology: Topology) -> Self {
        Self { url, topology }
    }

    pub async fn queue_depths(&self) -> Result<QueueDepths, ApiError> {
        let connection = connect::open(&self.url, "pulso-api queues").await.map_err(unavailable)?;
        let depths = self.queue_depths_on(&connection).await.map_err(unavailable);
        // Whether it is closed well or not, its end is the same.
        let _ = within_time(connection.close(200, "done".into())).await;
        depths
    }

    async fn queue_depths_on(&self, connection: &Connection) -> Result<QueueDepths, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        Ok(QueueDepths {
            store: depth(&channel, self.topology.store_queue()).await?,
            dead_letters: depth(&channel, self.topology.dead_queue()).await?,
        })
    }

    /// The oldest dead letters, at most `limit`.
    pub async fn list_dead_letters(&self, limit: usize) -> Result<Listing, ApiError> {
        let browser = self.browse().await?;
        let listing = browser.list(limit).await;
        browser.close().await;
        Ok(listing?)
    }

    /// Puts dead letters back into the store queue.
    pub async fn replay_dead_letters(&self, choice: &Choice) -> Result<Replayed, ApiError> {
        let browser = self.browse().await?;
        let replayed = browser.replay(choice, Instant::now() + REPLAY_TIMEOUT).await;
        browser.close().await;
        match replayed? {
            Replayed { replayed: 0, stopped: Some(stop), .. } => Err(unavailable(stop)),
            replayed => Ok(replayed),
        }
    }

    /// Deletes a dead letter, for good.
    pub async fn delete_dead_letter(&self, id: DeadLetterId) -> Result<(), ApiError> {
        let browser = self.browse().await?;
        let deleted = browser.delete(&Choice::Only(BTreeSet::from([id]))).await;
        browser.close().await;
        let (deleted, _) = deleted?;
        if deleted == 0 { Err(ApiError::NotFound("dead letter")) } else { Ok(()) }
    }

    async fn browse(&self) -> Result<DeadLetterBrowser, BrowseError> {
        DeadLetterBrowser::open(&self.url, self.topology.clone()).await
    }
}

async fn depth(channel: &Channel, queue: ShortString) -> Result<QueueDepth, ConnectionError> {
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let queue = within_time(channel.queue_declare(queue, passive, FieldTable::default())).await?;
    Ok(QueueDepth { messages: queue.message_count(), consumers: queue.consumer_count() })
}

impl From<BrowseError> for ApiError {
    fn from(error: BrowseError) -> Self {
        unavailable(error)
    }
}

fn unavailable(cause: impl ToString) -> ApiError {
    ApiError::Unavailable { what: "The message broker", cause: cause.to_string() }
}
