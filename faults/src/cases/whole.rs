//! Pulso itself is down or behind, while its devices go on, and some of them fail.

use std::time::Duration;

use pulso_simulator::presence::OutageRun;
use pulso_testkit::Failure;
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, under_load};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::monitored_devices;
use crate::outcome::Outcome;
use crate::probe::ProbeResponses;
use crate::testbed::Testbed;

/// With `--quick` an outage is still longer than the devices may be silent: otherwise it would show nothing.
const QUICK_S: u64 = 16;

pub async fn down(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>, devices: &OutageRun| {
        end_programs(deployment).await?;
        wait_and_fail_devices(deployment.testbed.lasting(300, QUICK_S), devices).await;
        let repaired = Instant::now();
        start_programs(deployment).await?;
        Ok(repaired)
    };
    let (mut outcome, _) = with_devices(testbed, "whole/down", Recovery::Accepting, fault).await?;
    outcome.note("recovered in: with the new processes' start");
    Ok(outcome)
}

pub async fn servers_down(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>, devices: &OutageRun| {
        end_programs(deployment).await?;
        deployment.testbed.servers.down().await?;
        wait_and_fail_devices(deployment.testbed.lasting(300, QUICK_S), devices).await;
        let repaired = Instant::now();
        deployment.testbed.servers.up().await?;
        start_programs(deployment).await?;
        Ok(repaired)
    };
    let (mut outcome, _) = with_devices(testbed, "whole/servers-down", Recovery::Accepting, fault).await?;
    outcome.note("recovered in: with the start of all servers and processes");
    Ok(outcome)
}

pub async fn storage_behind(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>, devices: &OutageRun| {
        deployment.end_workers(true).await?;
        wait_and_fail_devices(deployment.testbed.lasting(180, QUICK_S), devices).await;
        let repaired = Instant::now();
        deployment.run_workers(1).await?;
        Ok(repaired)
    };
    let (mut outcome, responses) = with_devices(testbed, "whole/storage-behind", Recovery::Storing, fault).await?;
    outcome.require(responses.are_only(&[202]), "a device was refused because storage is behind");
    Ok(outcome)
}

async fn end_programs(deployment: &mut Deployment<'_>) -> Result<(), Failure> {
    for api in &mut deployment.apis {
        api.kill().await?;
    }
    deployment.end_workers(true).await
}

async fn start_programs(deployment: &mut Deployment<'_>) -> Result<(), Failure> {
    deployment.run_workers(1).await?;
    deployment.restart_api(0).await
}

/// The outage; in the middle of it some devices fail.
async fn wait_and_fail_devices(lasting: Duration, devices: &OutageRun) {
    tokio::time::sleep(lasting / 2).await;
    devices.fail_devices();
    tokio::time::sleep(lasting / 2).await;
}

/// Under load, with devices that survive the outage, and devices that fail in it.
async fn with_devices(
    testbed: &Testbed,
    case: &str,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Deployment<'_>, &OutageRun) -> Result<Instant, Failure>,
) -> Result<(Outcome, ProbeResponses), Failure> {
    let mut deployment = Deployment::start(testbed, case, DeploymentPlan::default()).await?;
    let devices = monitored_devices::start(&deployment).await?;
    let broken = async |deployment: &mut Deployment<'_>| fault(deployment, &devices).await;
    let (mut outcome, responses, recovered) = under_load(&mut deployment, recovery, broken).await?;
    let is_ingest_down = recovery == Recovery::Accepting;
    monitored_devices::finish(&deployment, devices, recovered, is_ingest_down, &mut outcome).await?;
    deployment.stop(&mut outcome).await;
    Ok((outcome, responses))
}
