//! Watermark probes: markers that API replicas publish through the data queue. A worker that reached one has everything
//! that the replica had accepted before it.
//!
//! A probe is an ordinary message without a submission, with the marker in its headers: a worker that does not know
//! probes sees an empty message. The headers' names are wire format and keep an older word.

use chrono::{DateTime, Utc};
use lapin::types::{AMQPValue, FieldTable};
use uuid::Uuid;

/// A probe's body: no submission.
pub const BODY: &[u8] = b"[]";

const REPLICA: &str = "x-pulso-beat-replica";
const SINCE: &str = "x-pulso-beat-since-us";
const UNTIL: &str = "x-pulso-beat-until-us";

/// From `since` to `until` this replica could take data in, and what it accepted is in the queue before this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatermarkProbe {
    /// One run of the API.
    pub replica: Uuid,
    /// Start of the replica's present run without interruption.
    pub since: DateTime<Utc>,
    /// Up to when the replica vouches for it.
    pub until: DateTime<Utc>,
}

impl WatermarkProbe {
    /// The headers that [`Self::from_headers`] reads.
    pub fn to_headers(self) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(REPLICA.into(), AMQPValue::LongString(self.replica.to_string().into()));
        headers.insert(SINCE.into(), AMQPValue::LongLongInt(self.since.timestamp_micros()));
        headers.insert(UNTIL.into(), AMQPValue::LongLongInt(self.until.timestamp_micros()));
        headers
    }

    /// The probe in a message's headers; `None` for other messages.
    pub fn from_headers(headers: &FieldTable) -> Option<Self> {
        let headers = headers.inner();
        let instant = |name| headers.get(name)?.as_long_long_int().and_then(DateTime::from_timestamp_micros);
        let replica = headers.get(REPLICA)?.as_long_string()?.to_string();
        Some(Self { replica: replica.parse().ok()?, since: instant(SINCE)?, until: instant(UNTIL)? })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lapin::types::{AMQPValue, FieldTable};
    use uuid::Uuid;

    use super::{BODY, REPLICA, SINCE, UNTIL, WatermarkProbe};
    use crate::amqp::message;

    fn probe() -> WatermarkProbe {
        let at = |text: &str| text.parse().unwrap();
        let (since, until) = (at("2026-11-25T12:00:00.000001Z"), at("2026-11-25T12:00:01Z"));
        WatermarkProbe { replica: Uuid::from_u128(7), since, until }
    }

    #[test]
    fn a_probe_is_read_as_it_was_written() {
        assert_eq!(WatermarkProbe::from_headers(&probe().to_headers()), Some(probe()));
    }

    #[test]
    fn its_headers_are_those_of_deployed_versions() {
        let headers = probe().to_headers();
        let header = |name: &str| headers.inner().get(name).cloned();
        let replica = AMQPValue::LongString("00000000-0000-0000-0000-000000000007".into());
        assert_eq!(header("x-pulso-beat-replica"), Some(replica));
        assert_eq!(header("x-pulso-beat-since-us"), Some(AMQPValue::LongLongInt(1_795_608_000_000_001)));
        assert_eq!(header("x-pulso-beat-until-us"), Some(AMQPValue::LongLongInt(1_795_608_001_000_000)));
        assert_eq!(headers.inner().len(), 3);
    }

    #[test]
    fn a_message_without_the_headers_is_no_probe() {
        assert_eq!(WatermarkProbe::from_headers(&FieldTable::default()), None);
    }

    #[test]
    fn a_header_that_is_missing_or_malformed_makes_it_no_probe() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let malformed = [
            (REPLICA, None),
            (REPLICA, Some(text("seven"))),
            (REPLICA, Some(AMQPValue::LongLongInt(7))),
            (SINCE, None),
            (SINCE, Some(text("1795608000000001"))),
            (SINCE, Some(AMQPValue::LongLongInt(i64::MAX))),
            (UNTIL, None),
            (UNTIL, Some(AMQPValue::Boolean(true))),
        ];
        for (name, value) in malformed {
            let mut headers: BTreeMap<_, _> = probe().to_headers().inner().clone();
            headers.remove(name);
            headers.extend(value.clone().map(|value| (name.into(), value)));
            assert_eq!(WatermarkProbe::from_headers(&headers.into()), None, "{name} = {value:?}");
        }
    }

    #[test]
    fn a_reader_that_does_not_know_probes_finds_no_submission() {
        assert_eq!(message::decode(BODY).unwrap(), []);
    }
}
