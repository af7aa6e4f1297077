//! One message as it was delivered: what it holds, or why it cannot be read.

use chrono::{DateTime, Utc};
use lapin::message::Delivery as AmqpDelivery;
use pulso_shared::amqp::beat::Beat;
use pulso_shared::amqp::message::{self, MESSAGE_TYPE, Submission};

/// A delivered message.
#[derive(Debug)]
pub struct Delivery {
    /// Its number on this channel, for the ack.
    pub tag: u64,
    /// Whether it was delivered before: its rows may be there already.
    pub redelivered: bool,
    /// What it holds.
    pub content: Result<Vec<Submission>, Undecodable>,
    /// The beat it brings, where it is one.
    pub beat: Option<Beat>,
}

/// A message that cannot be read.
#[derive(Debug)]
pub struct Undecodable {
    /// Why.
    pub reason: String,
    /// Its AMQP type: a worker that knows it may read it one day.
    pub kind: Option<String>,
    /// The message as it came.
    pub body: Vec<u8>,
}

impl Delivery {
    /// Reads a message.
    #[must_use]
    pub fn read(delivery: AmqpDelivery) -> Self {
        let kind = delivery.properties.kind().as_ref().map(|kind| kind.as_str().to_owned());
        let decoded = match kind.as_deref() {
            Some(MESSAGE_TYPE) => message::decode(&delivery.data).map_err(|error| format!("undecodable: {error}")),
            Some(other) => Err(format!("unknown message type {other}")),
            None => Err("no message type".to_owned()),
        };
        let content = decoded.map_err(|reason| Undecodable { reason, kind, body: delivery.data });
        let beat = delivery.properties.headers().as_ref().and_then(Beat::from_headers);
        Self { tag: delivery.delivery_tag, redelivered: delivery.redelivered, content, beat }
    }

    /// When the API accepted the first of it.
    #[must_use]
    pub fn received_at(&self) -> Option<DateTime<Utc>> {
        self.content.as_ref().ok().and_then(|submissions| submissions.first()).map(|first| first.received_at)
    }

    /// How many rows it will be.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.content.as_ref().map_or(0, |submissions| submissions.iter().map(Submission::len).sum())
    }
}
