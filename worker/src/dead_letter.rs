//! Where goes what can never be stored: onto the dead-letter exchange, with the reason in a header, confirmed before
//! the original is acknowledged. The body is such as the API would send it, so that it can be sent again.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connection::{ConnectionError, within_time};
use pulso_shared::amqp::message::{CONTENT_TYPE, MESSAGE_TYPE};
use pulso_shared::amqp::topology::Topology;

use crate::delivery::Undecodable;
use crate::metrics::count_dead_letter;
use crate::storage::Rows;

/// Header with the reason, for people.
const REASON_HEADER: &str = "x-pulso-reason";
/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;

/// Why something is dead, in one word (the metric's label and the routing key) and in many.
#[derive(Debug, Clone)]
pub struct Reason {
    /// `undecodable`, `device_gone` or `refused`.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

/// The way to the dead letters.
pub struct DeadLetters {
    channel: Channel,
    exchange: ShortString,
}

/// The dead-letter exchange did not take something.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// No answer, or an error.
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    /// It cannot be written as a message.
    #[error(transparent)]
    Encode(#[from] serde_json::Error),
    /// A nack, or no queue behind the exchange.
    #[error("the dead-letter queue refused it")]
    Refused,
}

impl DeadLetters {
    /// Opens a channel of its own, since a publish that fails closes its channel.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn open(connection: &Connection, topology: &Topology) -> Result<Self, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { channel, exchange: topology.dead_letter_exchange() })
    }

    /// Buries a message that cannot be read, as it came.
    ///
    /// # Errors
    /// When it could not be: then the original must not be acknowledged.
    pub async fn bury_message(&self, message: &Undecodable) -> Result<(), DeadLetterError> {
        let reason = Reason { code: "undecodable", detail: message.reason.clone() };
        tracing::warn!(reason = reason.detail, bytes = message.body.len(), "message dead-lettered");
        self.publish(&message.body, &reason).await
    }

    /// Buries rows, each as a message of its own.
    ///
    /// # Errors
    /// When one could not be: then the originals must not be acknowledged.
    pub async fn bury_rows(&self, rows: Rows, reason: &Reason) -> Result<(), DeadLetterError> {
        for submission in rows.into_submissions() {
            let request_id = submission.request_id.clone();
            tracing::warn!(request_id, code = reason.code, reason = reason.detail, "reading dead-lettered");
            self.publish(&serde_json::to_vec(&[submission])?, reason).await?;
        }
        Ok(())
    }

    async fn publish(&self, body: &[u8], reason: &Reason) -> Result<(), DeadLetterError> {
        let mut headers = FieldTable::default();
        headers.insert(REASON_HEADER.into(), AMQPValue::LongString(reason.detail.as_str().into()));
        let properties = BasicProperties::default()
            .with_type(MESSAGE_TYPE.into())
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirmation = within_time(async {
            self.channel
                .basic_publish(self.exchange.clone(), reason.code.into(), options, body, properties)
                .await?
                .await
        });
        match confirmation.await? {
            Confirmation::Ack(None) => {
                count_dead_letter(reason.code);
                Ok(())
            }
            _ => Err(DeadLetterError::Refused),
        }
    }
}
