//! Publishes what can never be stored to the dead-letter exchange, with the reason in a header, and confirmed before the
//! original is acked. The body is in the API's format, so that it can be replayed.
//!
//! On a connection of its own: a broker that is short of memory or disk blocks publishing connections, and the consumer
//! must be able to ack then, because acks free memory and disk.

use std::time::Duration;

use backon::ExponentialBuilder;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::dead_letters::REASON_HEADER;
use pulso_shared::amqp::message::{self, CONTENT_TYPE, MESSAGE_TYPE, PERSISTENT};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use secrecy::SecretString;

use super::rejected::{Reason, ReasonCode, Rejected, Undecodable};
use crate::backoff;
use crate::metrics::{STORE, count_dead_letter};
use crate::storage::Rows;

/// A decoder's error may quote the whole message; a header must fit into a frame.
const MAX_REASON_BYTES: usize = 1_024;
const BACKOFF: ExponentialBuilder = backoff::between(Duration::from_millis(200), Duration::from_secs(10));
/// Most bytes of a message of rows, as in the API. A batch that is refused as a whole may be larger than RabbitMQ 4 takes
/// in one message (16 MiB), and publishing it would be retried without end.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// Rows of a deleted device expire: their owner wanted them gone, and they must not fill the queue until all workers
/// wait. A week is enough to find out where they came from.
const DEVICE_GONE_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Publishes dead letters; connected on demand.
pub struct DeadLetterPublisher {
    url: SecretString,
    topology: Topology,
    clock: Clock,
    link: Option<(Connection, Channel)>,
}

/// A message for the dead-letter exchange. The dead-letter browser shows it under the same id.
struct Letter<'a> {
    id: DeadLetterId,
    reason: &'a Reason,
    /// The AMQP type, which a replay keeps.
    kind: Option<&'a str>,
    body: &'a [u8],
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
        let properties = match self.reason.code {
            ReasonCode::DeviceGone => properties.with_expiration(DEVICE_GONE_TTL.as_millis().to_string().into()),
            ReasonCode::Undecodable | ReasonCode::Refused => properties,
        };
        match self.kind {
            Some(kind) => properties.with_type(kind.into()),
            None => properties,
        }
    }
}

/// Joins submissions into arrays of at most [`MAX_BODY_BYTES`]; one that is larger by itself stays alone.
fn into_bodies(submissions: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    const COMMA_AND_BRACKET: usize = 2;
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for submission in submissions {
        let fits = |body: &Vec<u8>| {
            body.len().saturating_add(submission.len()).saturating_add(COMMA_AND_BRACKET) <= MAX_BODY_BYTES
        };
        match bodies.last_mut().filter(|body| fits(body)) {
            Some(body) => {
                body.push(b',');
                body.extend(submission);
            }
            None => bodies.push([b"[", submission.as_slice()].concat()),
        }
    }
    bodies.iter_mut().for_each(|body| body.push(b']'));
    bodies
}

/// At most [`MAX_REASON_BYTES`] of a reason.
fn shorten(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(detail)
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;
    use pulso_shared::clock::Clock;
    use pulso_shared::ids::DeadLetterId;
    use serde_json::{Value, json};

    use super::{Letter, MAX_BODY_BYTES, Reason, ReasonCode, into_bodies, shorten};

    #[test]
    fn rows_are_cut_into_messages_that_a_broker_takes() {
        let of_bytes = |bytes: usize| serde_json::to_vec(&json!("x".repeat(bytes - 2))).unwrap();
        let half = (MAX_BODY_BYTES - 3) / 2;
        let sizes = [half, MAX_BODY_BYTES - 3 - half, 3, MAX_BODY_BYTES, MAX_BODY_BYTES * 2, 3, 3];
        let bodies = into_bodies(sizes.map(of_bytes).to_vec());
        let lengths: Vec<_> = bodies.iter().map(Vec::len).collect();
        assert_eq!(lengths, [MAX_BODY_BYTES, 5, MAX_BODY_BYTES + 2, MAX_BODY_BYTES * 2 + 2, 9]);
        let held = |body: &Vec<u8>| serde_json::from_slice::<Vec<Value>>(body).unwrap();
        assert_eq!(bodies.iter().map(|body| held(body).len()).sum::<usize>(), sizes.len());
        assert!(into_bodies(Vec::new()).is_empty());
    }

    #[test]
    fn only_rows_of_deleted_devices_expire() {
        let expiration = |code| {
            let reason = Reason { code, detail: String::new() };
            let letter = Letter { id: DeadLetterId::generate(), reason: &reason, kind: None, body: b"[]" };
            letter.properties(Clock::system()).expiration().clone()
        };
        assert_eq!(expiration(ReasonCode::DeviceGone), Some(ShortString::from("604800000")));
        assert_eq!((expiration(ReasonCode::Refused), expiration(ReasonCode::Undecodable)), (None, None));
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"ü".repeat(2_000)).len(), 1_024);
    }
}
