//! Where goes what can never be stored: onto the dead-letter exchange, with the reason in a header, confirmed before
//! the original is acknowledged. The body is such as the API would send it, so that it can be sent again.
//!
//! On a connection of its own: when the broker is short of memory or disk it blocks whoever publishes, and the
//! consumer must be able to acknowledge then, since that is what makes room.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connection::{self, ConnectionError, within_time};
use pulso_shared::amqp::dead_letters::REASON_HEADER;
use pulso_shared::amqp::message::{CONTENT_TYPE, MESSAGE_TYPE, Submission};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use secrecy::SecretString;

use crate::delivery::Undecodable;
use crate::metrics::count_dead_letter;
use crate::pipeline::Leftovers;
use crate::storage::Rows;

/// A decoder's complaint may quote the whole message; a header must fit into a frame.
const MAX_REASON_BYTES: usize = 1_024;
/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;
/// Waits between attempts to bury something: the first, and the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Why something is dead, in one word (the metric's label and the routing key) and in many.
#[derive(Debug, Clone)]
pub struct Reason {
    /// `undecodable`, `device_gone` or `refused`.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

/// The way to the dead letters; connected when there is something to bury.
pub struct DeadLetters {
    url: SecretString,
    topology: Topology,
    clock: Clock,
    link: Option<(Connection, Channel)>,
}

/// A message for the dead-letter exchange. Its id is found again in lists of dead letters.
struct Letter<'a> {
    id: DeadLetterId,
    reason: &'a Reason,
    /// The AMQP type that it has, and that it shall have when it is put back.
    kind: Option<&'a str>,
    body: &'a [u8],
}

/// The dead-letter exchange did not take something.
#[derive(Debug, thiserror::Error)]
enum BuryError {
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    #[error("the dead-letter queue refused it: is it full?")]
    Refused,
}

impl DeadLetters {
    /// A way that is not open yet.
    #[must_use]
    pub fn new(url: SecretString, topology: Topology, clock: Clock) -> Self {
        Self { url, topology, clock, link: None }
    }

    /// Buries all that a batch has left. Returns when it is confirmed, however long that takes: everything else of the
    /// batch is stored, and giving the batch back would only bring it here again.
    pub async fn bury(&mut self, leftovers: Leftovers) {
        for message in &leftovers.messages {
            self.bury_message(message).await;
        }
        for (rows, reason) in leftovers.rows {
            self.bury_rows(rows, &reason).await;
        }
    }

    async fn bury_message(&mut self, message: &Undecodable) {
        let reason = Reason { code: "undecodable", detail: message.reason.clone() };
        tracing::warn!(reason = shorten(&reason.detail), bytes = message.body.len(), "message dead-lettered");
        let kind = message.kind.as_deref();
        self.publish_patiently(Letter { id: DeadLetterId::generate(), reason: &reason, kind, body: &message.body })
            .await;
    }

    /// All rows of one reason are one message.
    async fn bury_rows(&mut self, rows: Rows, reason: &Reason) {
        let submissions: Vec<Submission> = rows.into_submissions().collect();
        if submissions.is_empty() {
            return;
        }
        for submission in &submissions {
            let request_id = submission.request_id.as_str();
            tracing::warn!(request_id, code = reason.code, reason = shorten(&reason.detail), "reading dead-lettered");
        }
        match serde_json::to_vec(&submissions) {
            Ok(body) => {
                let id = DeadLetterId::generate();
                self.publish_patiently(Letter { id, reason, kind: Some(MESSAGE_TYPE), body: &body }).await;
            }
            Err(error) => tracing::error!(%error, "a dead letter cannot be written as JSON"),
        }
    }

    async fn publish_patiently(&mut self, letter: Letter<'_>) {
        let mut backoff = FIRST_BACKOFF;
        while let Err(error) = self.publish(&letter).await {
            tracing::warn!(%error, retry_in = ?backoff, "not dead-lettered; waiting");
            self.link = None;
            tokio::time::sleep(backoff).await;
            backoff = LONGEST_BACKOFF.min(backoff.saturating_mul(2));
        }
        count_dead_letter(letter.reason.code);
    }

    async fn publish(&mut self, letter: &Letter<'_>) -> Result<(), BuryError> {
        let properties = letter.properties(self.clock);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.topology.dead_letter_exchange();
        let key = letter.reason.code.into();
        let channel = self.channel().await?;
        let confirmation =
            within_time(async { channel.basic_publish(exchange, key, options, letter.body, properties).await?.await });
        match confirmation.await? {
            Confirmation::Ack(None) => Ok(()),
            _ => Err(BuryError::Refused),
        }
    }

    async fn channel(&mut self) -> Result<&Channel, ConnectionError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.open().await?,
        };
        Ok(&self.link.insert(link).1)
    }

    async fn open(&self) -> Result<(Connection, Channel), ConnectionError> {
        let connection = connection::open(&self.url, "pulso-worker dead letters").await?;
        self.topology.declare(&connection).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok((connection, channel))
    }
}

impl Letter<'_> {
    fn properties(&self, clock: Clock) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(REASON_HEADER.into(), AMQPValue::LongString(shorten(&self.reason.detail).into()));
        let properties = BasicProperties::default()
            .with_message_id(self.id.to_string().into())
            .with_timestamp(u64::try_from(clock.now().timestamp()).unwrap_or(0))
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        // A type that fitted into the property once does so again.
        match self.kind {
            Some(kind) => properties.with_type(kind.into()),
            None => properties,
        }
    }
}

/// The beginning of a reason.
fn shorten(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(detail)
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"ü".repeat(2_000)).len(), 1_024);
    }
}
