//! RabbitMQ as a test sees it: queue depths, dead letters, messages that the test publishes.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ExchangeDeleteOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

/// The queues and exchanges under one prefix.
pub struct Broker {
    _connection: Connection,
    channel: Channel,
    prefix: String,
}

/// A message from the dead-letter queue.
#[derive(Debug)]
pub struct DeadLetter {
    /// Why it is there.
    pub reason: String,
    /// The message's body.
    pub body: String,
}

impl Broker {
    /// Connects.
    pub async fn connect(url: &str, prefix: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        Self { _connection: connection, channel, prefix: prefix.to_owned() }
    }

    /// Declares `store` or `dead` as an earlier version did, but for this limit.
    pub async fn declare_with_limit(&self, name: &str, limit: &str, value: i32) {
        let text = |value: String| AMQPValue::LongString(value.into());
        let mut arguments = BTreeMap::from([
            ("x-queue-type".into(), text("quorum".to_owned())),
            ("x-overflow".into(), text("reject-publish".to_owned())),
            (limit.into(), AMQPValue::LongInt(value)),
        ]);
        if name == "store" {
            arguments.insert("x-dead-letter-exchange".into(), text(format!("{}.dead-letter", self.prefix)));
            arguments.insert("x-dead-letter-strategy".into(), text("at-least-once".to_owned()));
        }
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let queue = format!("{}.{name}", self.prefix);
        self.channel.queue_declare(queue.into(), durable, arguments.into()).await.unwrap();
    }

    /// How many messages wait in the queue `<prefix>.<name>`.
    pub async fn depth(&self, name: &str) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = format!("{}.{name}", self.prefix);
        self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
    }

    /// Publishes a body of that AMQP type to where the API publishes.
    pub async fn publish(&self, message_type: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_type(message_type.into()).with_delivery_mode(2);
        let exchange = format!("{}.telemetry", self.prefix);
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(exchange.into(), "telemetry.batch".into(), options, body, properties)
            .await
            .unwrap()
            .await
            .unwrap();
    }

    /// Empties the store queue; how many messages with data were in it. The watermark probes of an API that has just ended
    /// may be there when everything is stored.
    pub async fn data_left(&self) -> usize {
        let (queue, mut data) = (format!("{}.store", self.prefix), 0);
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(queue.as_str().into(), options).await.unwrap() {
            data += usize::from(message.delivery.data != b"[]");
        }
        data
    }

    /// Takes one message from the dead-letter queue.
    pub async fn take_dead_letter(&self) -> Option<DeadLetter> {
        let queue = format!("{}.dead", self.prefix);
        let message = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap()?;
        let delivery: Delivery = message.delivery;
        delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
        let headers = delivery.properties.headers().as_ref().expect("headers");
        let reason = headers.inner().get("x-pulso-reason").and_then(|value| value.as_long_string().cloned());
        Some(DeadLetter {
            reason: reason.expect("a reason").to_string(),
            body: String::from_utf8(delivery.data).unwrap(),
        })
    }

    /// Takes the queue's message and gives it back, again and again, until the broker moves it to the dead letters.
    pub async fn return_until_dead(&self, name: &str) {
        while self.depth("dead").await == 0 {
            self.return_to_queue(name, 1).await;
        }
    }

    /// Takes a message of the queue and gives it back, so many times.
    pub async fn return_to_queue(&self, name: &str, times: u32) {
        for _ in 0..times {
            let queue = format!("{}.{name}", self.prefix);
            if let Some(message) = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap() {
                let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                message.delivery.acker.nack(back).await.unwrap();
            }
        }
    }

    /// Deletes a queue, as an operator might by mistake.
    pub async fn delete_queue(&self, name: &str) {
        let queue = format!("{}.{name}", self.prefix);
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Deletes everything under the prefix.
    pub async fn delete_all(&self) {
        for queue in ["store", "dead"] {
            self.delete_queue(queue).await;
        }
        for exchange in ["telemetry", "dead-letter"] {
            let exchange = format!("{}.{exchange}", self.prefix);
            self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
}
