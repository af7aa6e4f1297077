//! A long time at a steady rate: nothing may leak.

use std::time::Duration;

use pulso_testkit::{Failure, RunningProgram};
use tokio::time::Instant;

use super::under_load::CaseResult;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::outcome::Outcome;
use crate::resources::ResourceUsage;
use crate::testbed::Testbed;

/// Lines of samples in the report.
const SHOWN: usize = 10;
/// Memory that varies with what is in flight.
const MEMORY_SLACK_KB: u64 = 24 * 1_024;
/// Descriptors and connections likewise.
const DESCRIPTOR_SLACK: usize = 8;

/// API and worker at one time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    second: u64,
    api: ResourceUsage,
    worker: ResourceUsage,
    waiting: u32,
}

pub async fn steady(testbed: &Testbed) -> CaseResult {
    let deployment = Deployment::start(testbed, "soak/steady", DeploymentPlan::default()).await?;
    let rate = if testbed.cli.quick { testbed.cli.rate } else { testbed.cli.soak_rate };
    let load = deployment.load_of(LoadSpec::new(&deployment.url(), rate))?;
    let (lasting, every) = (testbed.lasting(1_800, 20), testbed.lasting(10, 1));
    let samples = watch(&deployment, lasting, every).await?;
    let tally = load.tally();
    let mut outcome = deployment.settle(load).await?;
    outcome.note(format!("accepted {:.0}/s over {} s", per_second(tally.accepted, lasting), lasting.as_secs()));
    check_flat(&mut outcome, &samples);
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

async fn watch(deployment: &Deployment<'_>, lasting: Duration, every: Duration) -> Result<Vec<Sample>, Failure> {
    let start = Instant::now();
    let pid = |program: Option<&RunningProgram>| program.map_or(0, RunningProgram::pid);
    let (api, worker) = (pid(deployment.apis.first()), pid(deployment.workers.first()));
    let mut samples = Vec::new();
    while start.elapsed() < lasting {
        tokio::time::sleep(every).await;
        let waiting = deployment.queues.waiting().await?;
        let sample = Sample {
            second: start.elapsed().as_secs(),
            api: ResourceUsage::of(api),
            worker: ResourceUsage::of(worker),
            waiting,
        };
        deployment.testbed.screen.live(&line(&sample));
        samples.push(sample);
    }
    Ok(samples)
}

/// By the second quarter everything has happened once; the last quarter must not use more.
fn check_flat(outcome: &mut Outcome, samples: &[Sample]) {
    let quarter = samples.len() / 4;
    for sample in samples.iter().step_by(samples.len().div_ceil(SHOWN).max(1)).chain(samples.last()) {
        outcome.note(line(sample));
    }
    let early = samples.get(quarter..quarter * 2).unwrap_or_default();
    let late = samples.get(samples.len().saturating_sub(quarter)..).unwrap_or_default();
    require_flat(outcome, "api", most(early, |sample| sample.api), most(late, |sample| sample.api));
    require_flat(outcome, "worker", most(early, |sample| sample.worker), most(late, |sample| sample.worker));
}

fn require_flat(outcome: &mut Outcome, name: &str, before: ResourceUsage, after: ResourceUsage) {
    let flat = after.memory_kb <= before.memory_kb.saturating_add(MEMORY_SLACK_KB.max(before.memory_kb / 5))
        && after.descriptors <= before.descriptors.saturating_add(DESCRIPTOR_SLACK)
        && after.sockets <= before.sockets.saturating_add(DESCRIPTOR_SLACK);
    outcome.require(flat, format!("{name} has grown: from {} to {}", describe(before), describe(after)));
}

fn most(samples: &[Sample], who: fn(&Sample) -> ResourceUsage) -> ResourceUsage {
    samples.iter().map(who).fold(ResourceUsage::default(), |most, used| ResourceUsage {
        memory_kb: most.memory_kb.max(used.memory_kb),
        descriptors: most.descriptors.max(used.descriptors),
        sockets: most.sockets.max(used.sockets),
    })
}

fn line(sample: &Sample) -> String {
    let Sample { second, api, worker, waiting } = sample;
    format!("{second:>5} s  api {}  worker {}  {waiting} messages wait", describe(*api), describe(*worker))
}

fn describe(used: ResourceUsage) -> String {
    let ResourceUsage { memory_kb, descriptors, sockets } = used;
    format!("{} MB, {descriptors} descriptors, {sockets} connections", memory_kb / 1_024)
}

fn per_second(count: u64, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{MEMORY_SLACK_KB, Sample, check_flat};
    use crate::outcome::Outcome;
    use crate::resources::ResourceUsage;

    /// Samples in which the worker uses more from one to the next.
    fn samples(memory_kb_more: u64, descriptors_more: usize) -> Vec<Sample> {
        let sample = |second: u64| {
            let grown = usize::try_from(second).unwrap() * descriptors_more;
            let worker =
                ResourceUsage { memory_kb: 50_000 + second * memory_kb_more, descriptors: grown, sockets: grown };
            Sample { second, api: ResourceUsage::default(), worker, waiting: 0 }
        };
        (0..40).map(sample).collect()
    }

    fn violations(samples: &[Sample]) -> Vec<String> {
        let mut outcome = Outcome::default();
        check_flat(&mut outcome, samples);
        outcome.violations
    }

    #[test]
    fn what_goes_on_growing_is_a_leak_and_a_little_more_is_not() {
        assert_eq!(violations(&samples(0, 0)), [""; 0]);
        // From the second quarter to the last it is 20 samples.
        assert_eq!(violations(&samples(MEMORY_SLACK_KB / 21, 0)), [""; 0]);
        assert!(violations(&samples(MEMORY_SLACK_KB / 19, 0))[0].contains("worker has grown"));
        assert!(violations(&samples(0, 1))[0].contains("worker has grown"));
    }

    #[test]
    fn growth_in_the_first_quarter_is_warming_up() {
        let mut warming_up = samples(0, 0);
        warming_up.iter_mut().take(10).for_each(|sample| sample.worker.memory_kb = 1_000);
        assert_eq!(violations(&warming_up), [""; 0]);
    }
}
