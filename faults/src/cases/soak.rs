//! A long time at a steady rate: nothing may grow.

use std::time::Duration;

use tokio::time::Instant;

use super::Ending;
use crate::gauges::{Held, held};
use crate::load::LoadSpec;
use crate::outcome::Outcome;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// Lines of samples in the report.
const SHOWN: usize = 10;
/// Memory that comes and goes with what happens to be in hand.
const MEMORY_SLACK_KB: u64 = 24 * 1_024;
/// Descriptors and connections likewise.
const DESCRIPTOR_SLACK: usize = 8;

/// API and worker at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    second: u64,
    api: Held,
    worker: Held,
    waiting: u32,
}

pub async fn steady(site: &Site) -> Ending {
    let stack = Stack::start(site, "soak/steady", Plan::default()).await?;
    let rate = if site.cli.quick { site.cli.rate } else { site.cli.soak_rate };
    let load = stack.load_of(LoadSpec::new(&stack.url(), rate))?;
    let (lasting, every) = (site.lasting(1_800, 20), site.lasting(10, 1));
    let samples = watch(&stack, lasting, every).await?;
    let tally = load.tally();
    let mut outcome = stack.settle(load).await?;
    outcome.note(format!("accepted {:.0}/s over {} s", per_second(tally.accepted, lasting), lasting.as_secs()));
    judge(&mut outcome, &samples);
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

async fn watch(stack: &Stack<'_>, lasting: Duration, every: Duration) -> Result<Vec<Sample>, crate::Failure> {
    let start = Instant::now();
    let pid = |program: Option<&crate::program::Program>| program.map_or(0, crate::program::Program::pid);
    let (api, worker) = (pid(stack.apis.first()), pid(stack.workers.first()));
    let mut samples = Vec::new();
    while start.elapsed() < lasting {
        tokio::time::sleep(every).await;
        let waiting = stack.queues.waiting().await?;
        let sample = Sample { second: start.elapsed().as_secs(), api: held(api), worker: held(worker), waiting };
        stack.site.screen.live(&line(&sample));
        samples.push(sample);
    }
    Ok(samples)
}

/// The second quarter has seen everything there is to see once; the last one shall not have more.
fn judge(outcome: &mut Outcome, samples: &[Sample]) {
    let quarter = samples.len() / 4;
    for sample in samples.iter().step_by(samples.len().div_ceil(SHOWN).max(1)).chain(samples.last()) {
        outcome.note(line(sample));
    }
    let early = samples.get(quarter..quarter * 2).unwrap_or_default();
    let late = samples.get(samples.len().saturating_sub(quarter)..).unwrap_or_default();
    require_flat(outcome, "api", most(early, |sample| sample.api), most(late, |sample| sample.api));
    require_flat(outcome, "worker", most(early, |sample| sample.worker), most(late, |sample| sample.worker));
}

fn require_flat(outcome: &mut Outcome, name: &str, before: Held, after: Held) {
    let flat = after.memory_kb <= before.memory_kb.saturating_add(MEMORY_SLACK_KB.max(before.memory_kb / 5))
        && after.descriptors <= before.descriptors.saturating_add(DESCRIPTOR_SLACK)
        && after.sockets <= before.sockets.saturating_add(DESCRIPTOR_SLACK);
    outcome.require(flat, format!("{name} has grown: from {} to {}", words(before), words(after)));
}

fn most(samples: &[Sample], who: fn(&Sample) -> Held) -> Held {
    samples.iter().map(who).fold(Held::default(), |most, held| Held {
        memory_kb: most.memory_kb.max(held.memory_kb),
        descriptors: most.descriptors.max(held.descriptors),
        sockets: most.sockets.max(held.sockets),
    })
}

fn line(sample: &Sample) -> String {
    let Sample { second, api, worker, waiting } = sample;
    format!("{second:>5} s  api {}  worker {}  {waiting} messages wait", words(*api), words(*worker))
}

fn words(held: Held) -> String {
    let Held { memory_kb, descriptors, sockets } = held;
    format!("{} MB, {descriptors} descriptors, {sockets} connections", memory_kb / 1_024)
}

fn per_second(count: u64, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}
