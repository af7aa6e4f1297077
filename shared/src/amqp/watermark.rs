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
    use lapin::types::FieldTable;
    use uuid::Uuid;

    use super::WatermarkProbe;

    #[test]
    fn a_probe_is_read_as_it_was_written() {
        let at = |text: &str| text.parse().unwrap();
        let (since, until) = (at("2026-11-25T12:00:00.000001Z"), at("2026-11-25T12:00:01Z"));
        let probe = WatermarkProbe { replica: Uuid::from_u128(7), since, until };
        assert_eq!(WatermarkProbe::from_headers(&probe.to_headers()), Some(probe));
    }

    #[test]
    fn a_message_without_the_headers_is_no_probe() {
        assert_eq!(WatermarkProbe::from_headers(&FieldTable::default()), None);
    }
}
