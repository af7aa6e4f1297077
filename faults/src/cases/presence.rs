//! Devices that flap, as many as Pulso promises to watch.

use tokio::time::Instant;

use pulso_simulator::presence::{FlappingRun, Population};
use pulso_simulator::screen::Screen;

use super::under_load::CaseResult;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::monitored_devices::{add_rows, population_spec};
use crate::outcome::Outcome;
use crate::testbed::Testbed;

/// Devices that flap, %.
const FLAPPING: u32 = 10;
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
