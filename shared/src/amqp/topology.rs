//! The exchanges and queues. Every process declares them when it connects; declaring is idempotent.
//!
//! ```text
//!  api ──▶ <p>.telemetry (topic) ──telemetry.#──▶ <p>.store (quorum) ──▶ worker
//!                                                     │ returned too often (queues of earlier versions)
//!                                                     ▼
//!  worker, with the reason ───────────────▶ <p>.dead-letter (topic) ──▶ <p>.dead (quorum)
//! ```

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::connect::{ConnectionError, within_time};
use super::declare_queue::declare_queue;
use crate::config::BrokerConfig;

/// As good as unlimited. A delivery counts whenever a worker is restarted or loses its connection, and each look at a
/// dead letter is one too: neither says anything about the message, and what was accepted must not be taken out of the
/// queue for it. Left out, the limit would be 20 from RabbitMQ 4 on; -1, which is unlimited there, is refused by 3.x.
/// A queue of an earlier version keeps its 100, and what that limit catches is replayed by a worker.
const DELIVERY_LIMIT: i32 = 1_000_000_000;

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
        declare_queue(connection, self.dead_queue(), self.dead_arguments()).await?;
        declare_queue(connection, self.store_queue(), self.store_arguments()).await?;
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
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        // Bounded, or a flood of poison messages would fill the disk; what is rejected waits in the database.
        insert_text(&mut arguments, "x-overflow", "reject-publish");
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(i64::from(self.store_max_bytes)));
        arguments
    }
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
    use lapin::types::FieldTable;

    use super::Topology;

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
        assert!(number(&arguments, "x-delivery-limit") > Some(1_000_000), "and takes nothing out by itself");
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
}
