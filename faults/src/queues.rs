//! The suite's own access to the broker.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection};
use pulso_shared::amqp::connect::{open, within_time};
use pulso_shared::amqp::dead_letters::{DeadLetterBrowser, Listing};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;
use pulso_testkit::Failure;
use secrecy::SecretString;

/// AMQP `delivery-mode` of a message that survives the broker.
const PERSISTENT: u8 = 2;
/// Dead letters that a case can list.
const MAX_LISTED: usize = 200;

/// The queues of one case.
#[derive(Debug, Clone)]
pub struct Queues {
    url: SecretString,
    topology: Topology,
}

impl Queues {
    /// The queues with this prefix.
    pub fn new(url: &str, prefix: &str) -> Self {
        let config = BrokerConfig {
            amqp_url: url.into(),
            queue_prefix: prefix.to_owned(),
            // Only used when the queues are declared, which the API has done already.
            queue_max_bytes: 1_073_741_824,
        };
        Self { url: url.into(), topology: Topology::new(&config) }
    }

    /// Messages that wait to be stored.
    pub async fn waiting(&self) -> Result<u32, Failure> {
        let (_connection, channel) = self.channel().await?;
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(self.topology.store_queue(), passive, FieldTable::default());
        Ok(within_time(declared).await?.message_count())
    }

    /// Unbinds the store queue from the exchange: what is published is then unroutable.
    pub async fn unbind(&self) -> Result<(), Failure> {
        let (_connection, channel) = self.channel().await?;
        let (queue, exchange) = (self.topology.store_queue(), self.topology.telemetry_exchange());
        within_time(channel.queue_unbind(queue, exchange, "telemetry.#".into(), FieldTable::default())).await?;
        Ok(())
    }

    /// Publishes a message of that AMQP type to where the API publishes.
    pub async fn publish(&self, message_type: &str, body: &[u8]) -> Result<(), Failure> {
        let (_connection, channel) = self.channel().await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let properties = BasicProperties::default().with_type(message_type.into()).with_delivery_mode(PERSISTENT);
        let (exchange, key) = (self.topology.telemetry_exchange(), self.topology.telemetry_key());
        let options = BasicPublishOptions::default();
        within_time(async { channel.basic_publish(exchange, key, options, body, properties).await?.await }).await?;
        Ok(())
    }

    /// The dead letters.
    pub async fn dead_letters(&self) -> Result<Listing, Failure> {
        let desk = DeadLetterBrowser::open(&self.url, self.topology.clone()).await?;
        let listing = desk.list(MAX_LISTED).await;
        desk.close().await;
        Ok(listing?)
    }

    async fn channel(&self) -> Result<(Connection, Channel), Failure> {
        let connection = open(&self.url, "pulso-faults").await?;
        let channel = within_time(connection.create_channel()).await?;
        Ok((connection, channel))
    }
}
