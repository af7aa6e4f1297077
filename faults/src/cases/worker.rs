//! The worker is killed, stopped and scaled.

use std::time::Duration;

use pulso_testkit::Failure;

use super::under_load::{CaseResult, STEADY};
use crate::database;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::testbed::Testbed;

/// More than RabbitMQ 4's default delivery limit of 20.
const KILLS: usize = 25;
/// Unacknowledged messages that a worker may hold.
const PREFETCH: u32 = 32;

pub async fn kill_again_and_again(testbed: &Testbed) -> CaseResult {
    let plan =
        DeploymentPlan { workers: 0, worker: vec![("PREFETCH", PREFETCH.to_string())], ..DeploymentPlan::default() };
    let mut deployment = Deployment::start(testbed, "worker/kill-25", plan).await?;
    let load = deployment.load()?;
    tokio::time::sleep(STEADY + STEADY).await;
    let ledger = load.finish().await?;
    // Its watermark probes would be among the messages that are counted.
    for mut api in std::mem::take(&mut deployment.apis) {
        api.terminate().await?;
    }
    // The last statement before the commit waits: each worker is killed in the middle of its transaction, with the same
    // messages unacknowledged, as many as it may hold.
    let lock = database::connect(&testbed.servers.database_url).await?;
    lock.batch_execute("BEGIN; LOCK TABLE device_state IN EXCLUSIVE MODE").await?;
    let waiting = deployment.queues.waiting().await?;
    for _ in 0..KILLS {
        deployment.run_workers(1).await?;
        until_prefetched(&deployment, waiting.saturating_sub(PREFETCH)).await?;
        deployment.end_workers(true).await?;
    }
    lock.batch_execute("ROLLBACK").await?;
    deployment.run_workers(1).await?;
    let mut outcome = deployment.compare(ledger, 0).await?;
    outcome.note(format!("{waiting} messages, {PREFETCH} of them unacknowledged at each of {KILLS} kills"));
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

/// Waits until the worker holds as many messages as it may.
async fn until_prefetched(deployment: &Deployment<'_>, left: u32) -> Result<(), Failure> {
    for _ in 0..300 {
        if deployment.queues.waiting().await? <= left {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the worker does not fetch as many messages as it may".into())
}

pub async fn sigterm(testbed: &Testbed) -> CaseResult {
    let mut deployment = Deployment::start(testbed, "worker/sigterm", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    for _ in 0..3 {
        tokio::time::sleep(STEADY).await;
        // An exit status other than 0 fails the case.
        deployment.end_workers(false).await?;
        deployment.run_workers(1).await?;
    }
    let mut outcome = deployment.settle(load).await?;
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn scale(testbed: &Testbed) -> CaseResult {
    let mut deployment = Deployment::start(testbed, "worker/scale", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    for workers in [1, 4, 1] {
        deployment.run_workers(workers).await?;
        tokio::time::sleep(testbed.lasting(15, 2)).await;
    }
    let mut outcome = deployment.settle(load).await?;
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn interleaved(testbed: &Testbed) -> CaseResult {
    let deployment =
        Deployment::start(testbed, "worker/interleaved", DeploymentPlan { workers: 2, ..DeploymentPlan::default() })
            .await?;
    // All connections send for one device: its timestamps are spread over both workers' batches.
    let spec = LoadSpec {
        array: Some(10),
        resend_share: 0.5,
        devices: 1,
        ..LoadSpec::new(&deployment.url(), testbed.cli.rate)
    };
    let load = deployment.load_of(spec)?;
    tokio::time::sleep(testbed.lasting(30, 5)).await;
    let mut outcome = deployment.settle(load).await?;
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}
