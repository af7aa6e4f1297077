//! Replays: publishes dead letters where the API publishes.

use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use crate::amqp::connect::{ConnectionError, within_time};
use crate::amqp::message::{CONTENT_TYPE, PERSISTENT};
use crate::amqp::topology::Topology;

/// Why a replay ended early. The letters not reached stay in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The store queue is full.
    #[error("the store queue is full")]
    QueueFull,
    /// No queue is bound to the exchange.
    #[error("the message could not be routed")]
    Unroutable,
    /// No confirm in time: the broker is blocked or gone.
    #[error("the broker did not confirm in time")]
    NoConfirm,
    /// The caller's deadline has passed.
    #[error("the deadline has passed")]
    OutOfTime,
}

/// Publishes letters to the store queue.
pub(super) struct Publisher {
    channel: Channel,
    exchange: ShortString,
    key: ShortString,
}

impl Publisher {
    pub(super) async fn open(connection: &Connection, topology: &Topology) -> Result<Self, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { channel, exchange: topology.telemetry_exchange(), key: topology.telemetry_key() })
    }

    /// Publishes a letter's body as it was published first. `None` when it is confirmed.
    pub(super) async fn republish(&self, letter: &Delivery) -> Result<Option<Stop>, ConnectionError> {
        let mut properties =
            BasicProperties::default().with_content_type(CONTENT_TYPE.into()).with_delivery_mode(PERSISTENT);
        if let Some(kind) = letter.properties.kind() {
            properties = properties.with_type(kind.clone());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.exchange.clone(), self.key.clone());
        let confirmation = within_time(async {
            self.channel.basic_publish(exchange, key, options, &letter.data, properties).await?.await
        });
        match confirmation.await {
            Ok(Confirmation::Ack(None)) => Ok(None),
            Ok(Confirmation::Nack(_)) => Ok(Some(Stop::QueueFull)),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested) => Ok(Some(Stop::Unroutable)),
            Err(ConnectionError::Timeout(_)) => Ok(Some(Stop::NoConfirm)),
            Err(error) => Err(error),
        }
    }
}
