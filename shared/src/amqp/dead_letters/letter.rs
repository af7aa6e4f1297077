//! One dead letter, as people see it.

use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use uuid::Uuid;

use crate::amqp::message::{self, Submission};
use crate::ids::DeadLetterId;

/// Header with the reason in full; the routing key is its code.
pub const REASON_HEADER: &str = "x-pulso-reason";
/// Header that RabbitMQ sets on messages it dead-letters by itself: why and when.
const DEATH_HEADER: &str = "x-death";
/// RabbitMQ's word for a message that was returned to the queue too often.
const RETURNED_TOO_OFTEN: &str = "delivery_limit";
/// Of a larger body only an excerpt is shown: a list of a thousand letters has to fit into memory.
const MAX_DECODED_BYTES: usize = 16 * 1024;
/// Namespace of the UUIDv5 ids. Arbitrary, but fixed: replicas of all versions have to agree on an id.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x7c0f_6a1e_52b3_4d0e_9a41_c2d8_0e5f_b697);
/// Bytes in an excerpt.
const EXCERPT_BYTES: usize = 512;

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Stable for as long as the letter is in the queue.
    pub id: DeadLetterId,
    /// The reason's code: `undecodable`, `refused`, or RabbitMQ's own, such as `delivery_limit`.
    pub reason: String,
    /// The reason in full.
    pub detail: String,
    /// When it was dead-lettered, to the second.
    pub died_at: Option<DateTime<Utc>>,
    /// The AMQP `type` it was published with.
    pub message_type: Option<String>,
    /// Size of the body.
    pub bytes: usize,
    /// The body.
    pub content: Content,
}

/// A dead letter's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Decoded.
    Submissions(Vec<Submission>),
    /// The beginning of a body that cannot be decoded, or is too large to be shown.
    Excerpt(String),
}

impl DeadLetter {
    /// Describes a delivered message.
    pub fn read(delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let death = Death::of(properties);
        let own_reason = text_header(properties.headers().as_ref(), REASON_HEADER);
        let (reason, detail) = match (own_reason, &death.reason) {
            (Some(detail), _) => (delivery.routing_key.to_string(), detail),
            (None, Some(word)) => (word.clone(), "RabbitMQ dead-lettered the whole message by itself".to_owned()),
            (None, None) => ("unknown".to_owned(), "no reason is known".to_owned()),
        };
        Self {
            id: id_of(delivery),
            reason,
            detail,
            died_at: properties.timestamp().or(death.time).and_then(from_seconds),
            message_type: properties.kind().as_ref().map(|kind| kind.as_str().to_owned()),
            bytes: delivery.data.len(),
            content: Content::of(&delivery.data),
        }
    }
}

impl Content {
    fn of(body: &[u8]) -> Self {
        if body.len() <= MAX_DECODED_BYTES
            && let Ok(submissions) = message::decode(body)
        {
            return Self::Submissions(submissions);
        }
        let beginning = body.get(..EXCERPT_BYTES.min(body.len())).unwrap_or_default();
        Self::Excerpt(String::from_utf8_lossy(beginning).into_owned())
    }
}

/// A letter's id: the one that the worker gave it, else a UUIDv5 of what does not change: the `x-death` header and the
/// body. (`x-delivery-count` changes with each look.)
pub(super) fn id_of(delivery: &Delivery) -> DeadLetterId {
    let given = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    given.unwrap_or_else(|| {
        let death = delivery.properties.headers().as_ref().and_then(|headers| headers.inner().get(DEATH_HEADER));
        let name = [format!("{death:?}\0").as_bytes(), &delivery.data].concat();
        DeadLetterId::from(Uuid::new_v5(&ID_NAMESPACE, &name))
    })
}

/// Whether RabbitMQ dead-lettered it by itself, after its delivery limit. A letter of the worker that was replayed, and
/// then returned too often, has both headers: nothing is known to be wrong with it any more.
pub(super) fn was_returned_too_often(delivery: &Delivery) -> bool {
    Death::of(&delivery.properties).reason.as_deref() == Some(RETURNED_TOO_OFTEN)
}

/// The newest entry of `x-death`.
#[derive(Default)]
struct Death {
    reason: Option<String>,
    time: Option<u64>,
}

impl Death {
    fn of(properties: &BasicProperties) -> Self {
        let newest = || {
            let deaths = properties.headers().as_ref()?.inner().get(DEATH_HEADER)?.as_array()?;
            deaths.as_slice().first()?.as_field_table()
        };
        newest().map_or_else(Self::default, |death| Self {
            reason: text_header(Some(death), "reason"),
            time: death.inner().get("time").and_then(AMQPValue::as_timestamp),
        })
    }
}

fn text_header(headers: Option<&FieldTable>, name: &str) -> Option<String> {
    headers?.inner().get(name)?.as_long_string().map(ToString::to_string)
}

fn from_seconds(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::message::Delivery;
    use lapin::types::{AMQPValue, FieldArray, FieldTable};

    use super::{
        Content, DEATH_HEADER, DeadLetter, EXCERPT_BYTES, MAX_DECODED_BYTES, REASON_HEADER, id_of,
        was_returned_too_often,
    };
    use crate::ids::DeadLetterId;

    fn letter(properties: BasicProperties, body: &[u8]) -> Delivery {
        Delivery { properties, ..Delivery::mock(1, "".into(), "refused".into(), false, body.to_vec()) }
    }

    fn headers(headers: Vec<(&str, AMQPValue)>) -> BasicProperties {
        let table: std::collections::BTreeMap<_, _> =
            headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        BasicProperties::default().with_headers(FieldTable::from(table))
    }

    /// `x-death` as RabbitMQ writes it, the newest death first.
    fn deaths(deaths: &[(&str, u64)]) -> AMQPValue {
        let table = |(reason, time): &(&str, u64)| {
            let mut death = FieldTable::default();
            death.insert("reason".into(), AMQPValue::LongString((*reason).into()));
            death.insert("time".into(), AMQPValue::Timestamp(*time));
            death.insert("queue".into(), AMQPValue::LongString("pulso.store".into()));
            AMQPValue::FieldTable(death)
        };
        AMQPValue::FieldArray(FieldArray::from(deaths.iter().map(table).collect::<Vec<_>>()))
    }

    #[test]
    fn a_letter_of_the_worker_tells_code_detail_and_time() {
        let reason = AMQPValue::LongString("value out of range".into());
        let properties =
            headers(vec![(REASON_HEADER, reason)]).with_timestamp(1_764_072_000).with_type("pulso.telemetry.v2".into());
        let read = DeadLetter::read(&letter(properties, b"[]"));
        assert_eq!((read.reason.as_str(), read.detail.as_str()), ("refused", "value out of range"));
        assert_eq!(read.died_at.map(|at| at.to_rfc3339()).as_deref(), Some("2025-11-25T12:00:00+00:00"));
        assert_eq!((read.message_type.as_deref(), read.bytes), (Some("pulso.telemetry.v2"), 2));
    }

    #[test]
    fn a_letter_of_rabbitmq_tells_its_newest_death() {
        let deaths = deaths(&[("delivery_limit", 1_764_072_000), ("expired", 1_000)]);
        let read = DeadLetter::read(&letter(headers(vec![(DEATH_HEADER, deaths)]), b"[]"));
        assert_eq!(read.reason, "delivery_limit");
        assert_eq!(read.died_at.map(|at| at.timestamp()), Some(1_764_072_000));
    }

    #[test]
    fn what_the_broker_returned_too_often_is_told_from_other_deaths() {
        let returned = |reason: &str| {
            was_returned_too_often(&letter(headers(vec![(DEATH_HEADER, deaths(&[(reason, 1_764_072_000)]))]), b"[]"))
        };
        assert!(returned("delivery_limit"));
        assert!(!returned("expired") && !returned("rejected"));
        assert!(!was_returned_too_often(&letter(BasicProperties::default(), b"[]")));
    }

    #[test]
    fn a_letter_without_a_reason_is_shown_all_the_same() {
        let read = DeadLetter::read(&letter(BasicProperties::default(), b"[]"));
        assert_eq!((read.reason.as_str(), read.died_at, read.message_type), ("unknown", None, None));
    }

    #[test]
    fn a_letter_keeps_the_id_it_was_given() {
        let given = DeadLetterId::generate();
        let properties = BasicProperties::default().with_message_id(given.to_string().into());
        assert_eq!(id_of(&letter(properties, b"x")), given);
    }

    #[test]
    fn a_letter_without_an_id_has_the_same_one_at_each_look() {
        let id = |death: (&str, u64), count: i64, body: &[u8]| {
            let count = ("x-delivery-count", AMQPValue::LongLongInt(count));
            id_of(&letter(headers(vec![(DEATH_HEADER, deaths(&[death])), count]), body))
        };
        let first = id(("delivery_limit", 5), 1, b"x");
        assert_eq!(first, id(("delivery_limit", 5), 2, b"x"), "the delivery count changes with each look");
        assert_ne!(first, id(("delivery_limit", 5), 1, b"y"));
        assert_ne!(first, id(("delivery_limit", 6), 1, b"x"));
        assert_ne!(first, id(("expired", 5), 1, b"x"));
        let not_an_id = BasicProperties::default().with_message_id("7".into());
        assert_eq!(id_of(&letter(not_an_id, b"x")), id_of(&letter(BasicProperties::default(), b"x")));
    }

    #[test]
    fn a_body_that_cannot_be_decoded_or_is_large_is_shown_by_an_excerpt() {
        let shown = |body: &[u8]| DeadLetter::read(&letter(BasicProperties::default(), body)).content;
        assert_eq!(shown(b"[]"), Content::Submissions(Vec::new()));
        assert_eq!(shown(b"not \xff json"), Content::Excerpt("not \u{fffd} json".into()));
        let padded = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
        assert_eq!(shown(padded(MAX_DECODED_BYTES).as_bytes()), Content::Submissions(Vec::new()));
        let excerpt = shown(padded(MAX_DECODED_BYTES + 1).as_bytes());
        assert!(matches!(excerpt, Content::Excerpt(text) if text.len() == EXCERPT_BYTES));
    }
}
