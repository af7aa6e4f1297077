//! The floors: what the parts can do on their own, on this machine, in this run.

mod insert;
mod publish;

use std::time::Duration;

use pulso_simulator::rates::per_second;
use pulso_testkit::Failure;
use serde::Serialize;

use crate::gauges::CpuTime;
use crate::load::LoadRunner;
use crate::queues;
use crate::results::FloorResult;

/// The parts.
#[derive(Debug, Clone, Serialize)]
pub struct Floors {
    /// Confirmed publish of 100 heartbeats a message, the next one when the last one has been confirmed.
    pub publish_one: FloorResult,
    /// The same with two in flight.
    pub publish_two: FloorResult,
    /// The same, while every message is consumed and acknowledged: the broker's whole share of the path.
    pub publish_and_consume: FloorResult,
    /// The worker's INSERT, batch after batch, into a copy of its table.
    pub insert: FloorResult,
}

/// Whose CPU time counts as the server's.
#[derive(Debug, Clone, Copy)]
enum Server {
    Broker,
    Database,
}

/// Measures them one after the other, each for `duration`.
pub async fn measure(runner: &LoadRunner<'_>, duration: Duration) -> Result<Floors, Failure> {
    let amqp_url = &runner.config.amqp_url;
    let topology = queues::topology(amqp_url, &runner.floor_prefix);
    let publish = publish::PublishFloor::open(amqp_url, topology).await?;
    let message = |server| Unit { heartbeats: u64::from(publish::PER_MESSAGE), server, duration };
    runner.screen.live("floor: confirmed publish, one in flight");
    let publish_one = measure_one(runner, message(Server::Broker), publish.publish(1, duration)).await?;
    publish.purge().await?;
    runner.screen.live("floor: confirmed publish, two in flight");
    let publish_two = measure_one(runner, message(Server::Broker), publish.publish(2, duration)).await?;
    publish.purge().await?;
    runner.screen.live("floor: confirmed publish, consumed and acknowledged");
    let both = publish.publish_and_consume(2, duration);
    let publish_and_consume = measure_one(runner, message(Server::Broker), both).await?;
    queues::remove(amqp_url, &runner.floor_prefix).await?;
    runner.screen.live("floor: bare insert");
    let mut rows = insert::InsertFloor::open(&runner.database_url).await?;
    let batch = Unit { heartbeats: u64::from(insert::PER_BATCH), server: Server::Database, duration };
    let insert = measure_one(runner, batch, rows.insert(duration)).await?;
    rows.remove().await?;
    Ok(Floors { publish_one, publish_two, publish_and_consume, insert })
}

/// What is counted: a message or a batch.
#[derive(Debug, Clone, Copy)]
struct Unit {
    heartbeats: u64,
    server: Server,
    duration: Duration,
}

async fn measure_one(
    runner: &LoadRunner<'_>,
    unit: Unit,
    work: impl Future<Output = Result<u64, Failure>>,
) -> Result<FloorResult, Failure> {
    let before = CpuTime::now(runner.config, runner.system);
    let units = work.await?;
    let heartbeats = units.saturating_mul(unit.heartbeats);
    let cpu = CpuTime::now(runner.config, runner.system).since(before).per_million(heartbeats);
    Ok(FloorResult {
        units_per_s: per_second(units, unit.duration),
        heartbeats_per_s: per_second(heartbeats, unit.duration),
        client_cpu_per_million: cpu.load,
        server_cpu_per_million: match unit.server {
            Server::Broker => cpu.broker,
            Server::Database => cpu.database,
        },
    })
}
