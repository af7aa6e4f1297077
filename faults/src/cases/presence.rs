//! Devices that flap, as many as Pulso promises to watch; and devices that hold on to a replica that is cut off.

use pulso_testkit::Proxy;
use tokio::time::Instant;

use pulso_simulator::presence::{FlappingRun, Population};
use pulso_simulator::screen::Screen;

use super::under_load::{CaseResult, STEADY};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::monitored_devices::{self, add_rows, population_spec};
use crate::outcome::Outcome;
use crate::testbed::Testbed;

/// Devices that flap, %.
const FLAPPING: u32 = 10;
/// A device that holds on to the replica that is cut off is refused once, after `PUBLISH_TIMEOUT_MS` (5 s): by then it has
/// been silent for longer than it may be.
const OFFLINE_AFTER_S: u32 = 5;
const INTERVAL_S: u64 = 2;
/// How late a silence may be noticed, at the 99th percentile, ms.
const LIMIT_MS: u32 = 2_000;

pub async fn flapping(testbed: &Testbed) -> CaseResult {
    // All devices and their owner have one address: no rate limit may decide what is measured.
    let without = |name| (name, "0".to_owned());
    let api = vec![without("ADDRESS_MAX_PER_MINUTE"), without("USER_MAX_PER_MINUTE")];
    let deployment =
        Deployment::start(testbed, "presence/flapping", DeploymentPlan { api, ..DeploymentPlan::default() }).await?;
    let (devices, offline_after_s, interval_s) = if testbed.cli.quick { (300, 5, 2) } else { (10_000, 15, 5) };
    let started = Instant::now();
    let spec = population_spec(&deployment, devices, offline_after_s, interval_s)?;
    let population = Population::enrol(spec, &Screen::silent()).await?;
    let ready_s = started.elapsed().as_secs_f64();
    let duration = testbed.lasting(120, 30);
    let flapping = FlappingRun { share: FLAPPING, duration, limit_ms: LIMIT_MS };
    let (verdict, logs) = flapping.measure(&population, &testbed.screen).await?;
    let load = format!("{devices} dev × {} s", duration.as_secs());
    let mut outcome = Outcome { load, ..Outcome::default() };
    outcome.note(format!("{devices} devices registered, set and signed in within {ready_s:.0} s"));
    verdict.figures().into_iter().for_each(|figure| outcome.note(figure));
    for violation in verdict.violations() {
        outcome.require(false, violation);
    }
    add_rows(&deployment, &population, &logs, &mut outcome).await?;
    let dead = deployment.queues.dead_letters().await?.total;
    outcome.require(dead == 0, format!("{dead} dead letters"));
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

/// One of two APIs loses its way to the broker, for less than the minute in which that excuses silence. All devices came
/// through a balancer that knows nothing of it, and hold on to their connections until they are told to move.
pub async fn replica_cut_off(testbed: &Testbed) -> CaseResult {
    let broker = Proxy::open(Proxy::upstream_of(&testbed.servers.amqp_url)).await;
    let first_api = vec![("AMQP_URL", broker.through(&testbed.servers.amqp_url))];
    let plan = DeploymentPlan { replicas: 2, first_api, ..DeploymentPlan::default() };
    let deployment = Deployment::start(testbed, "presence/replica-cut-off", plan).await?;
    let upstreams = deployment.api_replicas.iter().map(|replica| Proxy::upstream_of(replica.url())).collect();
    let balancer = Proxy::balance(upstreams).await;
    let url = format!("http://{}", balancer.address());
    let (load, probe) = (deployment.load_of(LoadSpec::new(&url, testbed.cli.rate))?, deployment.probe()?);
    let devices = monitored_devices::start_at(&deployment, &url, OFFLINE_AFTER_S, INTERVAL_S).await?;
    tokio::time::sleep(STEADY).await;
    let (broken, outage) = (Instant::now(), testbed.lasting(45, 16));
    broker.cut();
    tokio::time::sleep(outage / 2).await;
    devices.fail_devices();
    tokio::time::sleep(outage / 2).await;
    let recovered = Instant::now();
    broker.restore();
    let recovered_in = probe.recovery(recovered).await?;
    tokio::time::sleep(STEADY).await;
    let responses = probe.responses(broken, recovered);
    drop(probe);
    let mut outcome = deployment.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("by the replica that was cut off: {}", responses.summary()));
    outcome.require(responses.are_only(&[202, 503]), "something else than 202 and 503 was answered");
    monitored_devices::finish(&deployment, devices, recovered, true, &mut outcome).await?;
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}
