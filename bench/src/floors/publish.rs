//! Confirmed publish of batched messages, with and without a consumer.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueuePurgeOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use pulso_shared::amqp::connect::{open, within_time};
use pulso_shared::amqp::message::{self, CONTENT_TYPE, MESSAGE_TYPE, Submission};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::Heartbeat;
use pulso_testkit::Failure;
use secrecy::SecretString;

/// Heartbeats in a message: what group commit reaches under load.
pub const PER_MESSAGE: u32 = 100;
/// As the worker's.
const PREFETCH: u16 = 64;
/// How long the broker has to settle after a purge.
const SETTLE: Duration = Duration::from_secs(1);
/// AMQP `delivery-mode` of a message that survives the broker.
const PERSISTENT: u8 = 2;

/// A connection each for publishing and consuming, and a queue like the real one.
pub struct PublishFloor {
    connections: [Connection; 2],
    topology: Topology,
    body: Vec<u8>,
}

impl PublishFloor {
    /// Declares a topology of its own.
    pub async fn open(amqp_url: &SecretString, topology: Topology) -> Result<Self, Failure> {
        let connections = [open(amqp_url, "pulso-bench floor").await?, open(amqp_url, "pulso-bench floor").await?];
        let [publishing, _] = &connections;
        topology.declare(publishing).await?;
        Ok(Self { connections, topology, body: body()? })
    }

    /// Publishes for `duration` with so many in flight; how many were confirmed.
    pub async fn publish(&self, in_flight: usize, duration: Duration) -> Result<u64, Failure> {
        let [publishing, _] = &self.connections;
        let channel = within_time(publishing.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let end = Instant::now() + duration;
        let publishers: FuturesUnordered<_> = (0..in_flight).map(|_| self.publish_until(&channel, end)).collect();
        let confirmed: Vec<Result<u64, Failure>> = publishers.collect().await;
        within_time(channel.close(200, "done".into())).await?;
        confirmed.into_iter().sum()
    }

    /// The same, while everything is consumed and acknowledged.
    pub async fn publish_and_consume(&self, in_flight: usize, duration: Duration) -> Result<u64, Failure> {
        tokio::select! {
            published = self.publish(in_flight, duration) => published,
            failure = self.consume() => Err(failure),
        }
    }

    /// Empties the queue for the next measurement.
    pub async fn purge(&self) -> Result<(), Failure> {
        let [publishing, _] = &self.connections;
        let channel = within_time(publishing.create_channel()).await?;
        within_time(channel.queue_purge(self.topology.store_queue(), QueuePurgeOptions::default())).await?;
        within_time(channel.close(200, "done".into())).await?;
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    async fn publish_until(&self, channel: &Channel, end: Instant) -> Result<u64, Failure> {
        let properties = BasicProperties::default()
            .with_type(MESSAGE_TYPE.into())
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirmed = 0_u64;
        while Instant::now() < end {
            let (exchange, key) = (self.topology.telemetry_exchange(), self.topology.telemetry_key());
            let published = channel.basic_publish(exchange, key, options, &self.body, properties.clone()).await?;
            match published.await? {
                Confirmation::Ack(None) => confirmed = confirmed.saturating_add(1),
                refused => return Err(format!("the floor's message was refused: {refused:?}").into()),
            }
        }
        Ok(confirmed)
    }

    /// Consumes until it is cancelled; returns only on a failure.
    async fn consume(&self) -> Failure {
        match self.try_consume().await {
            Ok(()) => "the floor's queue is gone".into(),
            Err(failure) => failure,
        }
    }

    async fn try_consume(&self) -> Result<(), Failure> {
        let [_, consuming] = &self.connections;
        let channel = within_time(consuming.create_channel()).await?;
        within_time(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let consumer = channel.basic_consume(
            self.topology.store_queue(),
            ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut deliveries = within_time(consumer).await?;
        while let Some(delivery) = deliveries.next().await {
            delivery?.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    }
}

/// A message as the API writes it: one submission a heartbeat.
fn body() -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    for number in 0..PER_MESSAGE {
        body.push(if number == 0 { b'[' } else { b',' });
        message::encode(&submission(number)?, &mut body)?;
    }
    body.push(b']');
    Ok(body)
}

fn submission(number: u32) -> Result<Submission, Failure> {
    let now = Clock::system().now();
    let share = f64::from(number) * 0.37;
    let heartbeat = Heartbeat {
        device_id: DeviceId::generate(),
        ts: now,
        cpu_usage: Some((20.25 + share).try_into()?),
        ram_usage: Some((40.5 + share).try_into()?),
        disk_free: Some((30.75 + share).try_into()?),
        temperature: Some((35.25 + share).try_into()?),
        latency: Some((12.5 + share).try_into()?),
        connectivity: Some(true),
        boot_time: Some(now),
    };
    let request_id = DeviceId::generate().to_string();
    Ok(Submission { request_id, received_at: now, heartbeats: vec![heartbeat], readings: Vec::new() })
}
