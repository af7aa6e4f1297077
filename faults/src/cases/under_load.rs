//! What most cases have in common: a load, a fault, a recovery, a comparison.

use std::time::Duration;

use pulso_testkit::Failure;
use tokio::time::Instant;

use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::outcome::Outcome;
use crate::probe::ProbeResponses;
use crate::testbed::Testbed;

/// What a case returns.
pub type CaseResult = Result<Outcome, Failure>;

/// How long is sent before the fault, and after the recovery.
pub const STEADY: Duration = Duration::from_secs(2);

/// The time limit of every response: publishing has 5 s, and the rest is short.
pub const MAX_RESPONSE_TIME: Duration = Duration::from_secs(10);

/// What has to work again for a case to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The API accepts data.
    Accepting,
    /// Data is stored.
    Storing,
}

/// Starts a deployment, and breaks it [`under_load`].
pub async fn run_under_load(
    testbed: &Testbed,
    case: &str,
    plan: DeploymentPlan,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Deployment<'_>) -> Result<Instant, Failure>,
) -> Result<(Outcome, ProbeResponses), Failure> {
    let mut deployment = Deployment::start(testbed, case, plan).await?;
    let (mut outcome, responses, _) = under_load(&mut deployment, recovery, fault).await?;
    deployment.stop(&mut outcome).await;
    Ok((outcome, responses))
}

/// Under load: injects the fault, waits until the deployment works again, and compares. `fault` returns when it has
/// repaired what it broke, with the time of the repair. Returned are also the responses to the probe meanwhile, and the
/// time of the recovery.
pub async fn under_load(
    deployment: &mut Deployment<'_>,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Deployment<'_>) -> Result<Instant, Failure>,
) -> Result<(Outcome, ProbeResponses, Instant), Failure> {
    let (load, probe) = (deployment.load()?, deployment.probe()?);
    tokio::time::sleep(STEADY).await;
    let broken = Instant::now();
    let repaired = fault(deployment).await?;
    let recovered_in = match recovery {
        Recovery::Accepting => probe.recovery(repaired).await?,
        Recovery::Storing => deployment.storing_again(repaired).await?,
    };
    tokio::time::sleep(STEADY).await;
    let responses = probe.responses(broken, repaired);
    drop(probe);
    let mut outcome = deployment.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("meanwhile: {}", responses.summary()));
    outcome.require(responses.slowest < MAX_RESPONSE_TIME, "an answer took longer than every time limit");
    Ok((outcome, responses, repaired + recovered_in))
}
