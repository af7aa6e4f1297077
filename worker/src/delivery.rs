//! One message as it was delivered: what it holds, and what of it cannot be read.

use chrono::{DateTime, Utc};
use lapin::message::Delivery as AmqpDelivery;
use pulso_shared::amqp::message::{self, MESSAGE_TYPE, NAMED_MESSAGE_TYPE, Submission};
use pulso_shared::amqp::watermark::WatermarkProbe;
use serde_json::value::RawValue;

/// A delivered message.
#[derive(Debug)]
pub struct Delivery {
    /// Its number on this channel, for the ack.
    pub tag: u64,
    /// Whether it was delivered before: its rows may be there already.
    pub redelivered: bool,
    /// What of it can be read.
    pub submissions: Vec<Submission>,
    /// What cannot: all of it, or some submissions.
    pub undecodable: Vec<Undecodable>,
    /// The beat it brings, where it is one.
    pub beat: Option<WatermarkProbe>,
}

/// A message, or a message's submission, that cannot be read.
#[derive(Debug)]
pub struct Undecodable {
    /// Why.
    pub reason: String,
    /// Its AMQP type: a worker that knows it may read it one day.
    pub kind: Option<String>,
    /// The message as it came; or a message with nothing in it but the submission as it came.
    pub body: Vec<u8>,
}

impl Delivery {
    /// Reads a message.
    #[must_use]
    pub fn read(delivery: AmqpDelivery) -> Self {
        let kind = delivery.properties.kind().as_ref().map(|kind| kind.as_str().to_owned());
        let beat = delivery.properties.headers().as_ref().and_then(WatermarkProbe::from_headers);
        let whole = |reason, body| (Vec::new(), vec![Undecodable { reason, kind: kind.clone(), body }]);
        let (submissions, undecodable) = match kind.as_deref() {
            Some(kind @ (MESSAGE_TYPE | NAMED_MESSAGE_TYPE)) => decode(kind, delivery.data),
            Some(other) => whole(format!("unknown message type {other}"), delivery.data),
            None => whole("no message type".to_owned(), delivery.data),
        };
        Self { tag: delivery.delivery_tag, redelivered: delivery.redelivered, submissions, undecodable, beat }
    }

    /// When the API accepted the first of it.
    #[must_use]
    pub fn received_at(&self) -> Option<DateTime<Utc>> {
        self.submissions.first().map(|first| first.received_at)
    }

    /// How many rows it will be.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.submissions.iter().map(Submission::len).sum()
    }
}

/// Reads a body as a whole; where that fails, each of its submissions by itself. They come from many devices, and one
/// that cannot be read must not take the others along.
fn decode(kind: &str, body: Vec<u8>) -> (Vec<Submission>, Vec<Undecodable>) {
    let undecodable = |fault: &serde_json::Error, body| Undecodable {
        reason: format!("undecodable: {fault}"),
        kind: Some(kind.to_owned()),
        body,
    };
    let fault = match message::decode(&body) {
        Ok(submissions) => return (submissions, Vec::new()),
        Err(fault) => fault,
    };
    let Ok(each) = serde_json::from_slice::<Vec<&RawValue>>(&body) else {
        return (Vec::new(), vec![undecodable(&fault, body)]);
    };
    let (mut submissions, mut unreadable) = (Vec::new(), Vec::new());
    for one in each {
        match serde_json::from_str(one.get()) {
            Ok(submission) => submissions.push(submission),
            Err(fault) => unreadable.push(undecodable(&fault, format!("[{one}]").into_bytes())),
        }
    }
    (submissions, unreadable)
}

#[cfg(test)]
mod tests {
    use pulso_shared::amqp::message::MESSAGE_TYPE;

    use super::decode;

    fn bodies(body: &str) -> (Vec<String>, Vec<String>) {
        let (submissions, unreadable) = decode(MESSAGE_TYPE, body.as_bytes().to_vec());
        let ids = submissions.into_iter().map(|submission| submission.request_id).collect();
        (ids, unreadable.into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect())
    }

    #[test]
    fn a_submission_that_cannot_be_read_does_not_take_its_neighbours_along() {
        let good = |id: &str| format!(r#"["{id}",0,[],[]]"#);
        let (first, last) = (good("first"), good("last"));
        let body = format!(r#"[{first}, [7, {{"x": [1]}}] , {last}]"#);
        let (read, unreadable) = bodies(&body);
        assert_eq!(read, ["first", "last"]);
        assert_eq!(unreadable, [r#"[[7, {"x": [1]}]]"#]);
        assert_eq!(bodies(&unreadable[0]), (Vec::new(), unreadable.clone()), "replayed, it stays the same");
    }

    #[test]
    fn what_is_no_array_stays_whole() {
        for body in ["not json", "{}", "[{}", ""] {
            assert_eq!(bodies(body), (Vec::new(), vec![body.to_owned()]));
        }
    }
}
