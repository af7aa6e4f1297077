//! How many messages wait. Asked on a connection of its own: the one that publishes is not listened to while the broker
//! is short of memory or disk, which is when somebody wants to know.

use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::topology::Topology;
use secrecy::SecretString;

use crate::http::error::ApiError;

/// A queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that nobody has in hand.
    pub messages: u32,
    /// Who takes from it.
    pub consumers: u32,
}

/// Our queues at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStates {
    /// What waits to be stored.
    pub store: QueueState,
    /// What could not be stored.
    pub dead: QueueState,
}

impl QueueStates {
    /// Asks the broker.
    ///
    /// # Errors
    /// When it is away.
    pub async fn ask(url: &SecretString, topology: &Topology) -> Result<Self, ApiError> {
        let connection = connect::open(url, "pulso-api queues").await.map_err(away)?;
        let states = Self::ask_on(&connection, topology).await.map_err(away);
        // Whether it is closed well or not, its end is the same.
        let _ = within_time(connection.close(200, "asked".into())).await;
        states
    }

    async fn ask_on(connection: &Connection, topology: &Topology) -> Result<Self, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        Ok(Self {
            store: ask(&channel, topology.store_queue()).await?,
            dead: ask(&channel, topology.dead_queue()).await?,
        })
    }
}

async fn ask(channel: &Channel, queue: ShortString) -> Result<QueueState, ConnectionError> {
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let state = within_time(channel.queue_declare(queue, passive, FieldTable::default())).await?;
    Ok(QueueState { messages: state.message_count(), consumers: state.consumer_count() })
}

fn away(error: ConnectionError) -> ApiError {
    ApiError::Unavailable { what: "The message broker", cause: error.to_string() }
}
