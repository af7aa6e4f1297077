//! The exchanges and queues. Every process declares them when it connects; declaring is idempotent.
//!
//! ```text
//!  api ──▶ <p>.telemetry (topic) ──telemetry.#──▶ <p>.store (quorum) ──▶ worker
//!                                                     │ returned too often
//!                                                     ▼
//!  worker, with the reason ───────────────▶ <p>.dead-letter (topic) ──▶ <p>.dead (quorum)
//! ```

use std::collections::BTreeMap;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::connect::{ConnectionError, within_time};
use crate::config::BrokerConfig;

/// How often a message may be redelivered before the broker dead-letters it. RabbitMQ's default is 20 from version 4 on; a
/// worker that is killed again and again must not lose good data, so ours is higher, and dead letters can be replayed.
const DELIVERY_LIMIT: i32 = 100;

/// As good as unlimited: a dead letter stays until somebody deletes it.
const DEAD_DELIVERY_LIMIT: i32 = 1_000_000_000;

/// The arguments in which an existing queue may differ from ours. All the others decide whether confirmed messages are
/// kept: a queue that is not a quorum queue, or drops its oldest messages when it is full, must not be used.
const LIMITS: [&str; 2] = ["x-max-length-bytes", "x-delivery-limit"];

/// The names of the exchanges and queues under one prefix, and the queues' size limit.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
    store_max_bytes: u32,
}

impl Topology {
    /// The topology that the configuration describes.
    pub fn new(config: &BrokerConfig) -> Self {
        Self { prefix: config.queue_prefix.clone(), store_max_bytes: config.queue_max_bytes }
    }

    /// Where the API publishes what it accepted.
    pub fn telemetry_exchange(&self) -> ShortString {
        format!("{}.telemetry", self.prefix).into()
    }

    /// Messages that wait to be stored.
    pub fn store_queue(&self) -> ShortString {
        format!("{}.store", self.prefix).into()
    }

    /// Where messages go that cannot be stored.
    pub fn dead_letter_exchange(&self) -> ShortString {
        format!("{}.dead-letter", self.prefix).into()
    }

    /// Messages that cannot be stored, each with its reason.
    pub fn dead_queue(&self) -> ShortString {
        format!("{}.dead", self.prefix).into()
    }

    /// An exclusive queue that exists while somebody works with the dead letters: a lock. Its name is known to all
    /// versions, and keeps an older word.
    pub fn dead_letter_lock(&self) -> ShortString {
        format!("{}.dead.desk", self.prefix).into()
    }

    /// The routing key of the API's messages.
    pub fn telemetry_key(&self) -> ShortString {
        "telemetry.batch".into()
    }

    /// The routing key of watermark probes: bound to the same queue as the data, so that they stay behind it.
    pub fn watermark_key(&self) -> ShortString {
        "telemetry.beat".into()
    }

    /// Declares all exchanges, queues and bindings.
    pub async fn declare(&self, connection: &Connection) -> Result<(), ConnectionError> {
        self.declare_queue(connection, self.dead_queue(), self.dead_arguments()).await?;
        self.declare_queue(connection, self.store_queue(), self.store_arguments()).await?;
        let channel = within_time(connection.create_channel()).await?;
        within_time(self.declare_exchange(&channel, self.dead_letter_exchange())).await?;
        within_time(self.bind(&channel, self.dead_queue(), self.dead_letter_exchange(), "#")).await?;
        within_time(self.declare_exchange(&channel, self.telemetry_exchange())).await?;
        within_time(self.bind(&channel, self.store_queue(), self.telemetry_exchange(), "telemetry.#")).await
    }

    async fn declare_exchange(&self, channel: &Channel, name: ShortString) -> lapin::Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(name, ExchangeKind::Topic, durable, FieldTable::default()).await
    }

    /// A queue that exists with other [`LIMITS`] is used as it is: the broker cannot change them, and an API that accepts
    /// nothing because a setting has changed would be worse than the old limit. The broker reports one difference at a
    /// time, so each limit that differs is taken over until no further difference is reported.
    async fn declare_queue(
        &self,
        connection: &Connection,
        name: ShortString,
        mut arguments: FieldTable,
    ) -> Result<(), ConnectionError> {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for _ in LIMITS {
            // A refusal closes its channel.
            let channel = within_time(connection.create_channel()).await?;
            let declared = within_time(channel.queue_declare(name.clone(), durable, arguments.clone())).await;
            let Err(ConnectionError::Broker(refused)) = declared else {
                return declared.map(|_| ());
            };
            let Some((limit, current)) = other_limit(&refused) else { return Err(refused.into()) };
            tracing::warn!(queue = name.as_str(), %refused, "the queue exists with another limit; it is kept");
            arguments = with_limit(arguments, limit, current);
        }
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.queue_declare(name, durable, arguments)).await.map(|_| ())
    }

    async fn bind(&self, channel: &Channel, queue: ShortString, exchange: ShortString, key: &str) -> lapin::Result<()> {
        channel.queue_bind(queue, exchange, key.into(), QueueBindOptions::default(), FieldTable::default()).await
    }

    fn store_arguments(&self) -> FieldTable {
        let mut arguments = quorum();
        insert_text(&mut arguments, "x-dead-letter-exchange", self.dead_letter_exchange().as_str());
        // The message leaves this queue only when the dead-letter queue has confirmed it.
        insert_text(&mut arguments, "x-dead-letter-strategy", "at-least-once");
        // Reject the newest instead of dropping the oldest: the publisher gets a nack and its client a 503.
        // At-least-once dead-lettering requires it as well.
        insert_text(&mut arguments, "x-overflow", "reject-publish");
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(i64::from(self.store_max_bytes)));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        arguments
    }

    fn dead_arguments(&self) -> FieldTable {
        let mut arguments = quorum();
        // Each look at a dead letter is a redelivery too, and RabbitMQ 4 drops a message after 20 by default.
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DEAD_DELIVERY_LIMIT));
        // Bounded, or a flood of poison messages would fill the disk; what is rejected stays in the store queue.
        insert_text(&mut arguments, "x-overflow", "reject-publish");
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(i64::from(self.store_max_bytes)));
        arguments
    }
}

/// Which of the [`LIMITS`] differs, and its current value (`None`: not set). The error text is the only place where the
/// broker tells it; `tests/black_box/topology.rs` of the worker holds it against the installed broker version:
///
/// ```text
/// PRECONDITION_FAILED - inequivalent arg 'x-max-length-bytes' for queue 'pulso.store' in vhost '/':
/// received '5000' but current is '4000'
/// ```
///
/// Values of different types read `the value '4000' of type 'long'`, or `none`.
fn other_limit(refused: &lapin::Error) -> Option<(&'static str, Option<i64>)> {
    let ErrorKind::ProtocolError(error) = refused.kind() else { return None };
    let (_, words) = error.get_message().as_str().split_once("inequivalent arg '")?;
    let (named, words) = words.split_once('\'')?;
    let limit = LIMITS.into_iter().find(|limit| *limit == named)?;
    let (_, current) = words.rsplit_once("but current is ")?;
    if current.starts_with("none") {
        return Some((limit, None));
    }
    let value = current.split('\'').nth(1)?;
    Some((limit, Some(value.parse().ok()?)))
}

fn with_limit(arguments: FieldTable, limit: &str, value: Option<i64>) -> FieldTable {
    let mut others: BTreeMap<_, _> = arguments.inner().clone();
    others.remove(limit);
    others.extend(value.map(|value| (limit.into(), AMQPValue::LongLongInt(value))));
    others.into()
}

/// A quorum queue: a message is on the disks of a majority of the cluster's nodes before it is confirmed.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    insert_text(&mut arguments, "x-queue-type", "quorum");
    arguments
}

fn insert_text(arguments: &mut FieldTable, name: &str, value: &str) {
    arguments.insert(name.into(), AMQPValue::LongString(value.into()));
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};
    use lapin::types::{AMQPValue, FieldTable};

    use super::{LIMITS, Topology, other_limit, with_limit};

    fn topology() -> Topology {
        Topology { prefix: "pulso".to_owned(), store_max_bytes: 1_000 }
    }

    fn text(arguments: &FieldTable, name: &str) -> Option<String> {
        arguments.inner().get(name)?.as_long_string().map(ToString::to_string)
    }

    fn number(arguments: &FieldTable, name: &str) -> Option<i64> {
        let value = arguments.inner().get(name)?;
        value.as_long_long_int().or_else(|| value.as_long_int().map(i64::from))
    }

    fn refusal(text: &str) -> lapin::Error {
        let kind = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
        lapin::ErrorKind::ProtocolError(AMQPError::new(kind, text.into())).into()
    }

    #[test]
    fn names_begin_with_the_prefix_and_are_those_of_deployed_versions() {
        let topology = topology();
        let names = [
            topology.telemetry_exchange(),
            topology.store_queue(),
            topology.dead_letter_exchange(),
            topology.dead_queue(),
            topology.dead_letter_lock(),
        ];
        let names = names.map(|name| name.to_string());
        assert_eq!(names, ["pulso.telemetry", "pulso.store", "pulso.dead-letter", "pulso.dead", "pulso.dead.desk"]);
        let keys = [topology.telemetry_key(), topology.watermark_key()].map(|key| key.to_string());
        assert_eq!(
            keys,
            ["telemetry.batch", "telemetry.beat"],
            "both match telemetry.#, and so reach one queue in order"
        );
    }

    #[test]
    fn the_store_queue_loses_nothing_that_was_confirmed() {
        let arguments = topology().store_arguments();
        assert_eq!(text(&arguments, "x-queue-type").as_deref(), Some("quorum"));
        assert_eq!(text(&arguments, "x-overflow").as_deref(), Some("reject-publish"));
        assert_eq!(text(&arguments, "x-dead-letter-exchange").as_deref(), Some("pulso.dead-letter"));
        assert_eq!(text(&arguments, "x-dead-letter-strategy").as_deref(), Some("at-least-once"));
        assert_eq!(number(&arguments, "x-max-length-bytes"), Some(1_000));
        assert_eq!(number(&arguments, "x-delivery-limit"), Some(100));
    }

    #[test]
    fn the_dead_letter_queue_neither_drops_nor_dead_letters() {
        let arguments = topology().dead_arguments();
        assert_eq!(text(&arguments, "x-queue-type").as_deref(), Some("quorum"));
        assert_eq!(text(&arguments, "x-overflow").as_deref(), Some("reject-publish"));
        assert_eq!(text(&arguments, "x-dead-letter-exchange"), None);
        assert_eq!(number(&arguments, "x-max-length-bytes"), Some(1_000));
        assert!(number(&arguments, "x-delivery-limit") > Some(1_000_000));
    }

    #[test]
    fn a_refusal_names_the_limit_that_differs_and_its_current_value() {
        let refusals = [
            ("x-max-length-bytes", "received '5000' but current is '4000'", Some(4_000)),
            ("x-max-length-bytes", "received the value '5' of type 'long' but current is none", None),
            ("x-delivery-limit", "received none but current is the value '20' of type 'signedint'", Some(20)),
        ];
        for (limit, words, current) in refusals {
            let text = format!(
                "PRECONDITION_FAILED - inequivalent arg '{limit}' for queue 'pulso.store' in vhost '/': {words}"
            );
            assert_eq!(other_limit(&refusal(&text)), Some((limit, current)), "{text}");
        }
    }

    #[test]
    fn any_other_refusal_is_not_a_limit() {
        let of = |text: &str| other_limit(&refusal(text));
        let inequivalent = |argument: &str, words: &str| {
            of(&format!("PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'q' in vhost '/': {words}"))
        };
        assert_eq!(inequivalent("x-queue-type", "received 'quorum' but current is 'classic'"), None);
        assert_eq!(inequivalent("x-overflow", "received 'reject-publish' but current is none"), None);
        assert_eq!(inequivalent("x-max-length-bytes", "received '5'"), None, "no current value");
        assert_eq!(inequivalent("x-max-length-bytes", "received '5' but current is 'many'"), None);
        assert_eq!(of("NOT_FOUND - no queue 'q' in vhost '/'"), None);
        assert_eq!(other_limit(&lapin::ErrorKind::ChannelsLimitReached.into()), None);
    }

    #[test]
    fn a_limit_that_is_taken_over_replaces_ours_and_nothing_else() {
        for limit in LIMITS {
            let ours = topology().store_arguments();
            let changed = with_limit(ours.clone(), limit, Some(7));
            assert_eq!(changed.inner().get(limit), Some(&AMQPValue::LongLongInt(7)));
            let unset = with_limit(ours.clone(), limit, None);
            assert_eq!(unset.inner().get(limit), None);
            for (name, value) in ours.inner().iter().filter(|(name, _)| name.as_str() != limit) {
                assert_eq!((changed.inner().get(name), unset.inner().get(name)), (Some(value), Some(value)), "{name}");
            }
        }
    }
}
