//! The API is killed and stopped.

use pulso_testkit::Proxy;
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, STEADY, run_under_load};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::testbed::Testbed;

pub async fn kill(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        let mut repaired = Instant::now();
        for _ in 0..3 {
            for api in &mut deployment.apis {
                api.kill().await?;
            }
            repaired = Instant::now();
            deployment.restart_api(0).await?;
            tokio::time::sleep(STEADY).await;
        }
        Ok(repaired)
    };
    let (mut outcome, _) =
        run_under_load(testbed, "api/kill", DeploymentPlan::default(), Recovery::Accepting, fault).await?;
    outcome.note("recovered in: from the last kill, with the new process's start");
    Ok(outcome)
}

pub async fn sigterm(testbed: &Testbed) -> CaseResult {
    let mut deployment = Deployment::start(testbed, "api/sigterm", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    for _ in 0..3 {
        tokio::time::sleep(STEADY).await;
        for api in &mut deployment.apis {
            api.terminate().await?;
        }
        deployment.restart_api(0).await?;
    }
    tokio::time::sleep(STEADY).await;
    let tally = load.tally();
    let mut outcome = deployment.settle(load).await?;
    let failed: u64 = tally.statuses.range(300..).map(|(_, count)| count).sum();
    outcome.require(failed == 0, format!("{failed} requests were answered with something else than 2xx"));
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn two_replicas(testbed: &Testbed) -> CaseResult {
    let mut deployment =
        Deployment::start(testbed, "api/two-replicas", DeploymentPlan { replicas: 2, ..DeploymentPlan::default() })
            .await?;
    let upstreams = deployment.api_replicas.iter().map(|replica| Proxy::upstream_of(replica.url())).collect();
    let balancer = Proxy::balance(upstreams).await;
    let url = format!("http://{}", balancer.address());
    let (load, probe) = (deployment.load_of(LoadSpec::new(&url, testbed.cli.rate))?, deployment.probe_at(&url)?);
    tokio::time::sleep(STEADY).await;
    if let Some(first) = deployment.apis.first_mut() {
        first.kill().await?;
    }
    let killed = Instant::now();
    let recovered_in = probe.recovery(killed).await?;
    tokio::time::sleep(STEADY + STEADY).await;
    let responses = probe.responses(killed, Instant::now());
    deployment.restart_api(0).await?;
    tokio::time::sleep(STEADY).await;
    let mut outcome = deployment.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("with one of two: {}", responses.summary()));
    outcome.require(responses.are_only(&[0, 202]), "the remaining replica refused something");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}
