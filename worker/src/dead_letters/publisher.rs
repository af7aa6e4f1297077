//! Publishes dead letters to the dead-letter exchange, with the reason in a header. The body is in the API's format, so
//! that it can be replayed.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::dead_letters::REASON_HEADER;
use pulso_shared::amqp::message::{CONTENT_TYPE, PERSISTENT};
use pulso_shared::amqp::topology::Topology;
use secrecy::SecretString;

use crate::storage::dead_letter_outbox::Letter;

/// Publishes dead letters; connected on demand.
///
/// On a connection of its own: a broker that is short of memory or disk blocks publishing connections, and the consumer
/// must be able to ack then, because acks free memory and disk.
pub struct DeadLetterPublisher {
    url: SecretString,
    topology: Topology,
    link: Option<(Connection, Channel)>,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    #[error("the dead-letter queue refused it: is it full?")]
    Refused,
}

impl DeadLetterPublisher {
    pub fn new(url: SecretString, topology: Topology) -> Self {
        Self { url, topology, link: None }
    }

    /// Returns when the broker has the letter on disk.
    pub async fn publish(&mut self, letter: &Letter) -> Result<(), PublishError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.topology.dead_letter_exchange(), letter.reason.as_str().into());
        // Taken out, and put back when the broker has taken the letter: after a failure the next attempt reconnects.
        let link = match self.link.take() {
            Some(link) => link,
            None => self.open().await?,
        };
        let properties = properties(letter);
        let publish = async { link.1.basic_publish(exchange, key, options, &letter.body, properties).await?.await };
        let confirmation = within_time(publish).await?;
        self.link = Some(link);
        if confirmation == Confirmation::Ack(None) { Ok(()) } else { Err(PublishError::Refused) }
    }

    async fn open(&self) -> Result<(Connection, Channel), ConnectionError> {
        let connection = connect::open(&self.url, "pulso-worker dead letters").await?;
        self.topology.declare(&connection).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok((connection, channel))
    }
}

fn properties(letter: &Letter) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(REASON_HEADER.into(), AMQPValue::LongString(letter.detail.as_str().into()));
    let properties = BasicProperties::default()
        .with_message_id(letter.id.to_string().into())
        .with_timestamp(u64::try_from(letter.died_at.timestamp()).unwrap_or(0))
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers);
    match &letter.message_type {
        Some(kind) => properties.with_type(kind.as_str().into()),
        None => properties,
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;
    use pulso_shared::ids::DeadLetterId;

    use super::{Letter, REASON_HEADER, properties};

    #[test]
    fn a_letter_says_what_when_and_why_and_keeps_its_type() {
        let letter = Letter {
            id: DeadLetterId::generate(),
            reason: "undecodable".to_owned(),
            detail: "unknown message type".to_owned(),
            message_type: Some("pulso.telemetry.v9".to_owned()),
            body: b"[]".to_vec(),
            died_at: "2026-11-25T12:00:00.9Z".parse().unwrap(),
        };
        let shown = properties(&letter);
        assert_eq!(shown.message_id().as_ref().map(ToString::to_string), Some(letter.id.to_string()));
        assert_eq!(*shown.timestamp(), Some(1_795_608_000), "AMQP has whole seconds");
        assert_eq!(*shown.delivery_mode(), Some(2), "it survives the broker");
        assert_eq!(*shown.expiration(), None, "it stays until somebody deletes it");
        assert_eq!(shown.kind().as_ref().map(ShortString::as_str), Some("pulso.telemetry.v9"));
        let headers = shown.headers().clone().unwrap();
        let detail = headers.inner().get(REASON_HEADER).and_then(|value| value.as_long_string()).unwrap();
        assert_eq!(detail.as_bytes(), b"unknown message type");
        assert_eq!(*properties(&Letter { message_type: None, ..letter }).kind(), None);
    }
}
