//! Queues that exist already: which differences are borne, and which are not.

use clap::Parser;
use lapin::options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection};
use pulso_shared::amqp::connect;
use pulso_shared::amqp::dead_letters::{Choice, DeadLetterBrowser};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;
use pulso_shared::ids::DeadLetterId;
use pulso_testkit::eventually;
use tokio::time::Instant;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    broker: BrokerConfig,
}

/// A prefix of its own on the tests' broker, with nothing declared.
struct Ground {
    broker: BrokerConfig,
    connection: Connection,
    topology: Topology,
}

impl Ground {
    async fn new() -> Self {
        let (url, prefix) = (std::env::var("TEST_AMQP_URL").unwrap(), format!("test-{}", DeadLetterId::generate()));
        let arguments = ["test", "--amqp-url", &url, "--queue-prefix", &prefix, "--queue-max-bytes", "2000000"];
        let broker = Settings::parse_from(arguments).broker;
        let connection = connect::open(&broker.amqp_url, "test").await.unwrap();
        let topology = Topology::new(&broker);
        Self { broker, connection, topology }
    }

    async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    async fn delete(&self, queue: ShortString) {
        self.channel().await.queue_delete(queue, QueueDeleteOptions::default()).await.unwrap();
    }

    async fn finish(self) {
        self.delete(self.topology.store_queue()).await;
        self.delete(self.topology.dead_queue()).await;
        for exchange in [self.topology.telemetry_exchange(), self.topology.dead_letter_exchange()] {
            self.channel().await.exchange_delete(exchange, Default::default()).await.unwrap();
        }
    }
}

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    arguments
        .iter()
        .map(|(name, value)| (ShortString::from(*name), value.clone()))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into()
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[tokio::test]
async fn a_dead_letter_queue_with_other_limits_is_used_and_one_that_may_lose_data_is_not() {
    let ground = Ground::new().await;
    let (quorum, reject) = (("x-queue-type", text("quorum")), ("x-overflow", text("reject-publish")));
    let (bytes, returns) =
        (("x-max-length-bytes", AMQPValue::LongInt(1_000_000)), ("x-delivery-limit", AMQPValue::LongInt(7)));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for (arguments, used) in [
        (table(&[quorum.clone(), reject.clone(), bytes.clone(), returns.clone()]), true),
        (table(&[quorum.clone(), reject]), true),
        (table(&[quorum.clone(), bytes, returns]), false),
        (table(&[quorum]), false),
        (FieldTable::default(), false),
    ] {
        let (queue, shown) = (ground.topology.dead_queue(), format!("{arguments:?}"));
        ground.channel().await.queue_declare(queue.clone(), durable, arguments).await.unwrap();
        let declared = ground.topology.declare(&ground.connection).await;
        assert_eq!(declared.is_ok(), used, "{shown}: {declared:?}");
        ground.delete(queue).await;
    }
    ground.topology.declare(&ground.connection).await.unwrap();
    ground.finish().await;
}

#[tokio::test]
async fn a_letter_that_has_expired_among_others_does_not_hold_up_who_looks() {
    let ground = Ground::new().await;
    ground.topology.declare(&ground.connection).await.unwrap();
    let channel = ground.channel().await;
    channel.confirm_select(Default::default()).await.unwrap();
    for expiration in [None, Some("1"), None] {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let properties = expiration.map_or(properties.clone(), |ms| properties.with_expiration(ms.into()));
        let (exchange, options) = (ground.topology.dead_letter_exchange(), BasicPublishOptions::default());
        let published = channel.basic_publish(exchange, "refused".into(), options, b"[]", properties);
        published.await.unwrap().await.unwrap();
    }
    // However many are expired by now: what stays are two.
    let browser = eventually("the dead-letter browser", async || {
        DeadLetterBrowser::open(&ground.broker.amqp_url, ground.topology.clone()).await.ok()
    })
    .await;
    assert_eq!(browser.list(10).await.unwrap().letters.len(), 2);
    assert_eq!(browser.list(10).await.unwrap().total, 2);
    let replayed = browser.replay(&Choice::All, Instant::now() + std::time::Duration::from_secs(20)).await.unwrap();
    assert_eq!((replayed.replayed, replayed.stopped), (2, None));
    browser.close().await;
    ground.finish().await;
}
