//! Publishes what can never be stored to the dead-letter exchange, with the reason in a header, and confirmed before
//! the original is acked. The body is in the API's format, so that it can be replayed.
//!
//! On a connection of its own: a broker that is short of memory or disk blocks publishing connections, and the consumer
//! must be able to ack then, because acks free memory and disk.

use std::time::Duration;

use backon::ExponentialBuilder;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::message::{self, MESSAGE_TYPE};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use secrecy::SecretString;

use super::letter::{Letter, into_bodies, shorten};
use super::rejected::{Reason, ReasonCode, Rejected, Undecodable};
use crate::backoff;
use crate::metrics::{STORE, count_dead_letter};
use crate::storage::Rows;

const BACKOFF: ExponentialBuilder = backoff::between(Duration::from_millis(200), Duration::from_secs(10));

/// Publishes dead letters; connected on demand.
pub struct DeadLetterPublisher {
    url: SecretString,
    topology: Topology,
    clock: Clock,
    link: Option<(Connection, Channel)>,
}

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    #[error("the dead-letter queue refused it: is it full?")]
    Refused,
}

impl DeadLetterPublisher {
    pub fn new(url: SecretString, topology: Topology, clock: Clock) -> Self {
        Self { url, topology, clock, link: None }
    }

    /// Returns when all is confirmed, however long that takes: the rest of the batch is stored, and a redelivery of the
    /// batch would only lead here again.
    pub async fn dead_letter(&mut self, rejected: Rejected) {
        for message in &rejected.messages {
            self.dead_letter_message(message).await;
        }
        for (rows, reason) in rejected.rows {
            self.dead_letter_rows(rows, &reason).await;
        }
    }

    async fn dead_letter_message(&mut self, message: &Undecodable) {
        let reason = Reason { code: ReasonCode::Undecodable, detail: message.reason.clone() };
        tracing::warn!(reason = shorten(&reason.detail), bytes = message.body.len(), "message dead-lettered");
        let kind = message.kind.as_deref();
        self.publish_with_retry(Letter { id: DeadLetterId::generate(), reason: &reason, kind, body: &message.body })
            .await;
    }

    /// Rows with the same reason share messages.
    async fn dead_letter_rows(&mut self, rows: Rows, reason: &Reason) {
        let mut submissions = Vec::new();
        for submission in rows.into_submissions() {
            let request_id = submission.request_id.as_str();
            tracing::warn!(
                request_id,
                code = reason.code.as_str(),
                reason = shorten(&reason.detail),
                "reading dead-lettered"
            );
            let mut json = Vec::new();
            match message::encode(&submission, &mut json) {
                Ok(()) => submissions.push(json),
                Err(error) => tracing::error!(%error, "dead letter not encoded"),
            }
        }
        for body in into_bodies(submissions) {
            let id = DeadLetterId::generate();
            self.publish_with_retry(Letter { id, reason, kind: Some(MESSAGE_TYPE), body: &body }).await;
        }
    }

    async fn publish_with_retry(&mut self, letter: Letter<'_>) {
        let mut waiting = None;
        let notify = |error: &PublishError, retry_in| {
            waiting.get_or_insert_with(Waiting::begin);
            tracing::warn!(%error, ?retry_in, "dead letter not published; retrying");
        };
        let letter = &letter;
        backoff::retry(
            BACKOFF,
            self,
            |publisher| async move {
                let published = publisher.publish(letter).await;
                (publisher, published)
            },
            notify,
        )
        .await;
    }

    async fn publish(&mut self, letter: &Letter<'_>) -> Result<(), PublishError> {
        let properties = letter.properties(self.clock);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.topology.dead_letter_exchange();
        let key = letter.reason.code.as_str().into();
        // Taken out, and put back when the broker has taken the letter: after a failure the next attempt reconnects.
        let link = match self.link.take() {
            Some(link) => link,
            None => self.open().await?,
        };
        let publish = async { link.1.basic_publish(exchange, key, options, letter.body, properties).await?.await };
        match within_time(publish).await? {
            Confirmation::Ack(None) => {
                self.link = Some(link);
                count_dead_letter(letter.reason.code.as_str());
                Ok(())
            }
            _ => Err(PublishError::Refused),
        }
    }

    async fn open(&self) -> Result<(Connection, Channel), ConnectionError> {
        let connection = connect::open(&self.url, "pulso-worker dead letters").await?;
        self.topology.declare(&connection).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok((connection, channel))
    }
}

/// Shows in the metrics that a batch waits here, until it is dropped: with the retry, or with its session.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        STORE.dead_letters_waiting.set(1.0);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        STORE.dead_letters_waiting.set(0.0);
    }
}
