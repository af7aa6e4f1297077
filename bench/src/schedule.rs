//! What is measured, in which order and for how long.

use std::num::NonZeroU32;
use std::time::Duration;

use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;

use crate::config::{BenchConfig, Part};
use crate::floors;
use crate::load::{LoadRunner, LoadSpec};
use crate::report::Report;
use crate::results::{BareResult, Round, median};
use crate::testbed::Testbed;

/// Connections of the load that is compared with the bare route.
const SUSTAINED_CONNECTIONS: usize = 256;
/// Connections that send arrays: enough that one is always in flight, few enough that each is served soon.
const ARRAY_CONNECTIONS: usize = 32;
/// Heartbeats in an array.
const ARRAY: Option<NonZeroU32> = NonZeroU32::new(100);

/// How long each part takes.
#[derive(Debug, Clone, Copy)]
struct Times {
    warm_up: Duration,
    bare: Duration,
    sustained: Duration,
    rounds: usize,
    other: Duration,
    floor: Duration,
}

impl Times {
    fn of(config: &BenchConfig) -> Self {
        let seconds = Duration::from_secs;
        if config.quick {
            Self {
                warm_up: seconds(2),
                bare: seconds(3),
                sustained: seconds(8),
                rounds: 1,
                other: seconds(4),
                floor: seconds(3),
            }
        } else {
            Self {
                warm_up: seconds(5),
                bare: seconds(8),
                sustained: seconds(30),
                rounds: 3,
                other: seconds(10),
                floor: seconds(6),
            }
        }
    }
}

/// Measures everything that was asked for.
pub async fn run(config: &BenchConfig, testbed: &mut Testbed, screen: &Screen) -> Result<Report, Failure> {
    let times = Times::of(config);
    let (floor_prefix, database_url) = (testbed.floor_prefix(), testbed.database.url.clone());
    let system = testbed.start(config, screen).await?;
    let mut runner = LoadRunner { config, system, screen, floor_prefix, database_url };
    let mut report = Report::new(config);
    runner.whole_path(single(64, times.warm_up)).await?;
    if config.wants(Part::Ratio) || config.wants(Part::Latency) {
        measure_sustained(&mut runner, &mut report, times).await?;
    }
    if config.wants(Part::Single) {
        report.few = Some(runner.whole_path(single(64, times.other)).await?);
        report.many = Some(runner.whole_path(single(1_000, times.other)).await?);
    }
    if config.wants(Part::Latency) {
        // Half of what was accepted at full load: below saturation, where latency is the server's and not a queue's.
        let accepted = report.rounds.iter().map(|round| round.path.accepted_per_s).collect();
        let rate = median(accepted).map(|accepted| accepted / 2.0);
        report.half = Some(runner.whole_path(LoadSpec { rate, ..single(SUSTAINED_CONNECTIONS, times.other) }).await?);
    }
    if config.wants(Part::Floors) {
        report.floors = Some(floors::measure(&runner, times.floor).await?);
    }
    if config.wants(Part::Arrays) {
        // Last: it makes the largest table and the largest queue.
        let load = LoadSpec { array: ARRAY, ..single(ARRAY_CONNECTIONS, times.other) };
        report.arrays = Some(runner.whole_path(load).await?);
    }
    Ok(report)
}

/// The whole path at 256 connections between measurements of the bare route, so that the machine's drift affects both.
async fn measure_sustained(runner: &mut LoadRunner<'_>, report: &mut Report, times: Times) -> Result<(), Failure> {
    let bare = single(SUSTAINED_CONNECTIONS, times.bare);
    let mut before: BareResult = runner.bare_route(bare).await?;
    for _ in 0..times.rounds {
        let path = runner.whole_path(single(SUSTAINED_CONNECTIONS, times.sustained)).await?;
        let after = runner.bare_route(bare).await?;
        let bare_per_s = f64::midpoint(before.answers_per_s, after.answers_per_s);
        report.rounds.push(Round { bare_per_s, path });
        report.bare.push(std::mem::replace(&mut before, after));
    }
    report.bare.push(before);
    Ok(())
}

/// Single heartbeats, as many as the responses allow.
fn single(connections: usize, duration: Duration) -> LoadSpec {
    LoadSpec { connections, array: None, duration, rate: None }
}
