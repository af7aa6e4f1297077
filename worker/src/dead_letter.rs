//! Where goes what can never be stored: onto the dead-letter exchange, with the reason in a header, confirmed before
//! the original is acknowledged. The body is such as the API would send it, so that it can be sent again.
//!
//! On a connection of its own: when the broker is short of memory or disk it blocks whoever publishes, and the
//! consumer must be able to acknowledge then, since that is what makes room.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connect::{self, ConnectionError, within_time};
use pulso_shared::amqp::dead_letters::REASON_HEADER;
use pulso_shared::amqp::message::{self, CONTENT_TYPE, MESSAGE_TYPE};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use secrecy::SecretString;

use crate::delivery::Undecodable;
use crate::metrics::{STORE, count_dead_letter};
use crate::pipeline::Leftovers;
use crate::storage::Rows;

/// A decoder's complaint may quote the whole message; a header must fit into a frame.
const MAX_REASON_BYTES: usize = 1_024;
/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;
/// Waits between attempts to bury something: the first, and the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// Most bytes of a message of rows, as the API closes its own. A batch that is refused as a whole may be larger than
/// RabbitMQ 4 takes in one message (16 MiB), and what it never takes would be tried for ever.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// The code of rows whose device has been deleted meanwhile.
pub const DEVICE_GONE: &str = "device_gone";
/// Their owner wanted them gone: they must not stay for ever, nor fill the queue until all workers wait. A week is
/// enough to find out why they came here.
const DEVICE_GONE_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

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

    /// Rows of one reason share messages.
    async fn bury_rows(&mut self, rows: Rows, reason: &Reason) {
        let mut submissions = Vec::new();
        for submission in rows.into_submissions() {
            let request_id = submission.request_id.as_str();
            tracing::warn!(request_id, code = reason.code, reason = shorten(&reason.detail), "reading dead-lettered");
            let mut json = Vec::new();
            match message::encode(&submission, &mut json) {
                Ok(()) => submissions.push(json),
                Err(error) => tracing::error!(%error, "a dead letter cannot be written as JSON"),
            }
        }
        for body in into_bodies(submissions) {
            let id = DeadLetterId::generate();
            self.publish_patiently(Letter { id, reason, kind: Some(MESSAGE_TYPE), body: &body }).await;
        }
    }

    async fn publish_patiently(&mut self, letter: Letter<'_>) {
        let mut backoff = FIRST_BACKOFF;
        let mut waiting = None;
        while let Err(error) = self.publish(&letter).await {
            waiting.get_or_insert_with(Waiting::begin);
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
        let connection = connect::open(&self.url, "pulso-worker dead letters").await?;
        self.topology.declare(&connection).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok((connection, channel))
    }
}

/// Shows that a batch waits here, until it is dropped: by its end, or by its session's.
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
            DEVICE_GONE => properties.with_expiration(DEVICE_GONE_TTL.as_millis().to_string().into()),
            _ => properties,
        };
        // A type that fitted into the property once does so again.
        match self.kind {
            Some(kind) => properties.with_type(kind.into()),
            None => properties,
        }
    }
}

/// Joins submissions into arrays of at most [`MAX_BODY_BYTES`]; one that is larger by itself goes alone.
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

/// The beginning of a reason.
fn shorten(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(detail)
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;
    use pulso_shared::clock::Clock;
    use pulso_shared::ids::DeadLetterId;
    use serde_json::{Value, json};

    use super::{DEVICE_GONE, Letter, MAX_BODY_BYTES, Reason, into_bodies, shorten};

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
    fn only_what_a_deleted_device_has_left_goes_by_itself() {
        let expiration = |code| {
            let reason = Reason { code, detail: String::new() };
            let letter = Letter { id: DeadLetterId::generate(), reason: &reason, kind: None, body: b"[]" };
            letter.properties(Clock::system()).expiration().clone()
        };
        assert_eq!(expiration(DEVICE_GONE), Some(ShortString::from("604800000")));
        assert_eq!((expiration("refused"), expiration("undecodable")), (None, None));
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"ü".repeat(2_000)).len(), 1_024);
    }
}
