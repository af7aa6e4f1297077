//! A dead letter as it is published: properties, and bodies of a size that a broker takes.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use pulso_shared::amqp::dead_letters::REASON_HEADER;
use pulso_shared::amqp::message::{CONTENT_TYPE, PERSISTENT};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;

use super::rejected::{Reason, ReasonCode};

/// A decoder's error may quote the whole message; a header must fit into a frame.
const MAX_REASON_BYTES: usize = 1_024;
/// Most bytes of a message of rows, as in the API. A batch that is refused as a whole may be larger than RabbitMQ 4
/// takes in one message (16 MiB), and publishing it would be retried without end.
const MAX_BODY_BYTES: usize = 128 * 1024;
/// Rows of a deleted device expire: their owner wanted them gone, and they must not fill the queue until all workers
/// wait. A week is enough to find out where they came from.
const DEVICE_GONE_TTL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A message for the dead-letter exchange. The dead-letter browser shows it under the same id.
pub struct Letter<'a> {
    pub id: DeadLetterId,
    pub reason: &'a Reason,
    /// The AMQP type, which a replay keeps.
    pub kind: Option<&'a str>,
    pub body: &'a [u8],
}

impl Letter<'_> {
    pub fn properties(&self, clock: Clock) -> BasicProperties {
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
pub fn into_bodies(submissions: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
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
pub fn shorten(detail: &str) -> &str {
    detail.get(..detail.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or(detail)
}

#[cfg(test)]
mod tests {
    use lapin::types::ShortString;
    use pulso_shared::clock::Clock;
    use pulso_shared::ids::DeadLetterId;
    use serde_json::{Value, json};

    use super::{Letter, MAX_BODY_BYTES, MAX_REASON_BYTES, REASON_HEADER, into_bodies, shorten};
    use crate::dead_letters::rejected::{Reason, ReasonCode};

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
    #[test]
    fn a_letter_says_what_when_and_why_and_keeps_its_type() {
        let (clock, _) = Clock::manual("2026-11-25T12:00:00.9Z".parse().unwrap());
        let reason = Reason { code: ReasonCode::Undecodable, detail: "x".repeat(5_000) };
        let id = DeadLetterId::generate();
        let letter = Letter { id, reason: &reason, kind: Some("pulso.telemetry.v9"), body: b"[]" };
        let properties = letter.properties(clock);
        assert_eq!(properties.message_id().as_ref().map(ToString::to_string), Some(id.to_string()));
        assert_eq!(*properties.timestamp(), Some(1_795_608_000), "AMQP has whole seconds");
        assert_eq!(*properties.delivery_mode(), Some(2), "it survives the broker");
        assert_eq!(properties.kind().as_ref().map(ShortString::as_str), Some("pulso.telemetry.v9"));
        let headers = properties.headers().clone().unwrap();
        let detail = headers.inner().get(REASON_HEADER).and_then(|value| value.as_long_string()).unwrap();
        assert_eq!(detail.as_bytes().len(), MAX_REASON_BYTES);
        let untyped = Letter { kind: None, ..letter }.properties(clock);
        assert_eq!(*untyped.kind(), None);
    }
}
