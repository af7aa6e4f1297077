//! The queues of one run, and their removal.

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use pulso_shared::amqp::connect::{open, within_time};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;
use pulso_testkit::Failure;
use secrecy::SecretString;

/// The topology under a prefix, as the API and the worker declare it.
pub fn topology(amqp_url: &SecretString, prefix: &str) -> Topology {
    Topology::new(&BrokerConfig {
        amqp_url: amqp_url.clone(),
        queue_prefix: prefix.to_owned(),
        queue_max_bytes: 1_073_741_824,
    })
}

/// Deletes all queues and exchanges under a prefix; those that do not exist are no failure.
pub async fn remove(amqp_url: &SecretString, prefix: &str) -> Result<(), Failure> {
    let topology = topology(amqp_url, prefix);
    let connection = open(amqp_url, "pulso-bench").await?;
    let channel = within_time(connection.create_channel()).await?;
    for queue in [topology.store_queue(), topology.dead_queue()] {
        within_time(channel.queue_delete(queue, QueueDeleteOptions::default())).await?;
    }
    for exchange in [topology.telemetry_exchange(), topology.dead_letter_exchange()] {
        within_time(channel.exchange_delete(exchange, ExchangeDeleteOptions::default())).await?;
    }
    Ok(within_time(connection.close(200, "done".into())).await?)
}
