//! A beat: an API replica's word that it could hear, sent through the same queue as the data.
//!
//! It is a message of the usual kind that holds no submission, with the beat in its headers: a worker that knows
//! nothing of beats takes it for an empty one.

use chrono::{DateTime, Utc};
use lapin::types::{AMQPValue, FieldTable};
use uuid::Uuid;

/// The body of a beat's message.
pub const BODY: &[u8] = b"[]";

const REPLICA: &str = "x-pulso-beat-replica";
const SINCE: &str = "x-pulso-beat-since-us";
const UNTIL: &str = "x-pulso-beat-until-us";

/// From `since` to `until` this replica could take in whatever was sent to it, and what it took in is in the queue
/// before this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// One run of the API.
    pub replica: Uuid,
    /// When it began to hear without interruption.
    pub since: DateTime<Utc>,
    /// Up to when that is certain.
    pub until: DateTime<Utc>,
}

impl Beat {
    /// The headers of its message.
    #[must_use]
    pub fn to_headers(self) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(REPLICA.into(), AMQPValue::LongString(self.replica.to_string().into()));
        headers.insert(SINCE.into(), AMQPValue::LongLongInt(self.since.timestamp_micros()));
        headers.insert(UNTIL.into(), AMQPValue::LongLongInt(self.until.timestamp_micros()));
        headers
    }

    /// The beat in a message's headers, if there is one.
    #[must_use]
    pub fn from_headers(headers: &FieldTable) -> Option<Self> {
        let headers = headers.inner();
        let instant = |name| headers.get(name)?.as_long_long_int().and_then(DateTime::from_timestamp_micros);
        let replica = headers.get(REPLICA)?.as_long_string()?.to_string();
        Some(Self { replica: replica.parse().ok()?, since: instant(SINCE)?, until: instant(UNTIL)? })
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;
    use uuid::Uuid;

    use super::Beat;

    #[test]
    fn a_beat_is_read_as_it_was_written() {
        let at = |text: &str| text.parse().unwrap();
        let (since, until) = (at("2026-11-25T12:00:00.000001Z"), at("2026-11-25T12:00:01Z"));
        let beat = Beat { replica: Uuid::from_u128(7), since, until };
        assert_eq!(Beat::from_headers(&beat.to_headers()), Some(beat));
    }

    #[test]
    fn a_message_without_the_headers_is_no_beat() {
        assert_eq!(Beat::from_headers(&FieldTable::default()), None);
    }
}
