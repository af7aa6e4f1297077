//! One delivered message: what it holds, and what of it cannot be decoded.

use chrono::{DateTime, Utc};
use lapin::message::Delivery as AmqpDelivery;
use pulso_shared::amqp::message::{self, MESSAGE_TYPE, NAMED_MESSAGE_TYPE, Submission};
use pulso_shared::amqp::watermark::WatermarkProbe;
use serde_json::value::RawValue;

use crate::dead_letters::Undecodable;

#[derive(Debug)]
pub struct Delivery {
    /// The delivery tag, for the ack.
    pub tag: u64,
    /// Its rows may be duplicates.
    pub redelivered: bool,
    pub submissions: Vec<Submission>,
    /// The whole message, or some of its submissions.
    pub undecodable: Vec<Undecodable>,
    /// The marker, when this is a watermark probe.
    pub probe: Option<WatermarkProbe>,
}

impl Delivery {
    pub fn decode(delivery: AmqpDelivery) -> Self {
        let kind = delivery.properties.kind().as_ref().map(|kind| kind.as_str().to_owned());
        let probe = delivery.properties.headers().as_ref().and_then(WatermarkProbe::from_headers);
        let whole = |detail, body| (Vec::new(), vec![Undecodable { detail, kind: kind.clone(), body }]);
        let (submissions, undecodable) = match kind.as_deref() {
            Some(kind @ (MESSAGE_TYPE | NAMED_MESSAGE_TYPE)) => decode(kind, delivery.data),
            Some(other) => whole(format!("unknown message type {other}"), delivery.data),
            None => whole("no message type".to_owned(), delivery.data),
        };
        Self { tag: delivery.delivery_tag, redelivered: delivery.redelivered, submissions, undecodable, probe }
    }

    /// When the API accepted the first submission, which is the oldest.
    pub fn received_at(&self) -> Option<DateTime<Utc>> {
        self.submissions.first().map(|first| first.received_at)
    }

    pub fn rows(&self) -> usize {
        self.submissions.iter().map(Submission::len).sum()
    }
}

/// Decodes a body as a whole; when that fails, each submission by itself. They come from many devices, and one that
/// cannot be decoded must not take the others along.
fn decode(kind: &str, body: Vec<u8>) -> (Vec<Submission>, Vec<Undecodable>) {
    let undecodable = |error: &serde_json::Error, body| Undecodable {
        detail: format!("undecodable: {error}"),
        kind: Some(kind.to_owned()),
        body,
    };
    let error = match message::decode(&body) {
        Ok(submissions) => return (submissions, Vec::new()),
        Err(error) => error,
    };
    let Ok(each) = serde_json::from_slice::<Vec<&RawValue>>(&body) else {
        return (Vec::new(), vec![undecodable(&error, body)]);
    };
    let (mut submissions, mut rejected) = (Vec::new(), Vec::new());
    for one in each {
        match serde_json::from_str(one.get()) {
            Ok(submission) => submissions.push(submission),
            Err(error) => rejected.push(undecodable(&error, format!("[{one}]").into_bytes())),
        }
    }
    (submissions, rejected)
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::message::Delivery as AmqpDelivery;
    use pulso_shared::amqp::message::{MESSAGE_TYPE, NAMED_MESSAGE_TYPE};
    use pulso_shared::amqp::watermark::{BODY, WatermarkProbe};

    use super::{Delivery, decode};

    const NAMED: &str = r#"[{"request_id": "named", "received_at": 7000000}]"#;

    fn bodies(body: &str) -> (Vec<String>, Vec<String>) {
        let (submissions, rejected) = decode(MESSAGE_TYPE, body.as_bytes().to_vec());
        let ids = submissions.into_iter().map(|submission| submission.request_id).collect();
        (ids, rejected.into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect())
    }

    fn delivered(kind: Option<&str>, body: &str) -> Delivery {
        let properties =
            kind.map_or_else(BasicProperties::default, |kind| BasicProperties::default().with_type(kind.into()));
        let delivery = AmqpDelivery::mock(3, "".into(), "telemetry.batch".into(), true, body.as_bytes().to_vec());
        Delivery::decode(AmqpDelivery { properties, ..delivery })
    }

    #[test]
    fn a_submission_that_cannot_be_decoded_does_not_take_its_neighbours_along() {
        let good = |id: &str| format!(r#"["{id}",0,[],[]]"#);
        let (first, last) = (good("first"), good("last"));
        let body = format!(r#"[{first}, [7, {{"x": [1]}}] , {last}]"#);
        let (read, rejected) = bodies(&body);
        assert_eq!(read, ["first", "last"]);
        assert_eq!(rejected, [r#"[[7, {"x": [1]}]]"#]);
        assert_eq!(bodies(&rejected[0]), (Vec::new(), rejected.clone()), "replayed, it stays the same");
    }

    #[test]
    fn what_is_no_array_stays_whole() {
        for body in ["not json", "{}", "[{}", ""] {
            assert_eq!(bodies(body), (Vec::new(), vec![body.to_owned()]));
        }
    }

    #[test]
    fn this_message_type_and_the_previous_one_are_decoded() {
        let message = delivered(Some(MESSAGE_TYPE), r#"[["r",7000000,[],[]],["s",8000000,[],[]]]"#);
        assert_eq!((message.tag, message.redelivered, message.rows()), (3, true, 0));
        assert_eq!(message.received_at().map(|at| at.timestamp()), Some(7), "that of the first submission");
        assert_eq!(delivered(Some(NAMED_MESSAGE_TYPE), NAMED).submissions[0].request_id, "named");
    }

    #[test]
    fn another_message_type_is_rejected_as_a_whole_with_its_type() {
        for (kind, reason) in [
            (Some("pulso.telemetry.v3"), "unknown message type pulso.telemetry.v3"),
            (Some("orders"), "unknown message type orders"),
            (None, "no message type"),
        ] {
            let message = delivered(kind, "[]");
            assert_eq!((message.submissions.len(), message.undecodable.len()), (0, 1));
            let undecodable = &message.undecodable[0];
            assert_eq!((undecodable.detail.as_str(), undecodable.kind.as_deref()), (reason, kind));
            assert_eq!(undecodable.body, b"[]");
        }
    }

    #[test]
    fn a_watermark_probe_brings_its_marker_and_no_rows() {
        let at = |text: &str| text.parse().unwrap();
        let (since, until) = (at("2026-11-25T12:00:00Z"), at("2026-11-25T12:00:01Z"));
        let probe = WatermarkProbe { replica: uuid::Uuid::from_u128(1), since, until };
        let properties = BasicProperties::default().with_type(MESSAGE_TYPE.into()).with_headers(probe.to_headers());
        let delivery = AmqpDelivery::mock(1, "".into(), "telemetry.beat".into(), false, BODY.to_vec());
        let message = Delivery::decode(AmqpDelivery { properties, ..delivery });
        assert_eq!((message.probe, message.rows(), message.undecodable.len()), (Some(probe), 0, 0));
        assert_eq!(delivered(Some(MESSAGE_TYPE), "[]").probe, None);
    }
}
