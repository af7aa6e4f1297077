//! Bad networks: between devices and the API, and from API and worker to the broker and the database.

use std::time::Duration;

use pulso_testkit::{Line, Proxy};
use tokio::time::Instant;

use super::under_load::{CaseResult, MAX_RESPONSE_TIME, STEADY};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::testbed::Testbed;

/// Bad lines, and the load that fits through them.
struct BadNetwork<'a> {
    case: &'a str,
    devices: Line,
    servers: Line,
    rate: u32,
    array: Option<u32>,
}

pub async fn latency(testbed: &Testbed) -> CaseResult {
    let line = Line { latency: Duration::from_millis(250), ..Line::default() };
    let rate = testbed.cli.rate;
    over(testbed, BadNetwork { case: "network/latency", devices: line, servers: line, rate, array: Some(10) }).await
}

pub async fn resets(testbed: &Testbed) -> CaseResult {
    let devices = Line { reset_chance: 0.05, ..Line::default() };
    // For each chunk: the broker's connection carries hundreds of them a second.
    let servers = Line { reset_chance: 0.001, ..Line::default() };
    over(testbed, BadNetwork { case: "network/resets", devices, servers, rate: testbed.cli.rate, array: None }).await
}

pub async fn slow(testbed: &Testbed) -> CaseResult {
    let line = Line { bytes_per_s: Some(10 * 1_024), ..Line::default() };
    // A heartbeat is about 300 bytes in the queue, and more with each protocol's overhead.
    over(testbed, BadNetwork { case: "network/slow", devices: line, servers: line, rate: 10, array: None }).await
}

async fn over(testbed: &Testbed, bad: BadNetwork<'_>) -> CaseResult {
    let broker = Proxy::open(Proxy::upstream_of(&testbed.servers.amqp_url)).await;
    let database = Proxy::open(Proxy::upstream_of(&testbed.servers.database_url)).await;
    let plan = DeploymentPlan::default()
        .both("AMQP_URL", &broker.through(&testbed.servers.amqp_url))
        .both("DATABASE_URL", &database.through(&testbed.servers.database_url));
    let deployment = Deployment::start(testbed, bad.case, plan).await?;
    let devices = Proxy::open(Proxy::upstream_of(&deployment.url())).await;
    let url = format!("http://{}", devices.address());
    let spec = LoadSpec { array: bad.array, ..LoadSpec::new(&url, bad.rate) };
    let (load, probe) = (deployment.load_of(spec)?, deployment.probe()?);
    tokio::time::sleep(STEADY).await;
    let broken = Instant::now();
    devices.degrade(bad.devices);
    for proxy in [&broker, &database] {
        proxy.degrade(bad.servers);
    }
    tokio::time::sleep(testbed.lasting(60, 8)).await;
    let repaired = Instant::now();
    for proxy in [&devices, &broker, &database] {
        proxy.degrade(Line::default());
    }
    let recovered_in = probe.recovery(repaired).await?;
    tokio::time::sleep(STEADY).await;
    let responses = probe.responses(broken, repaired);
    drop(probe);
    let mut outcome = deployment.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("meanwhile, by the probe over a good line: {}", responses.summary()));
    outcome.require(responses.are_only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(responses.slowest < MAX_RESPONSE_TIME, "an answer took longer than every time limit");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}
