//! The lines are bad: between devices and the API, and from API and worker to the broker and the database.

use std::time::Duration;

use pulso_testkit::{Line, Proxy};
use tokio::time::Instant;

use super::{CALM, Ending};
use crate::load::LoadSpec;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// A bad line and the load that fits through it.
struct Bad<'a> {
    case: &'a str,
    devices: Line,
    behind: Line,
    rate: u32,
    array: Option<u32>,
}

pub async fn latency(site: &Site) -> Ending {
    let line = Line { latency: Duration::from_millis(250), ..Line::default() };
    let rate = site.cli.rate;
    over(site, Bad { case: "network/latency", devices: line, behind: line, rate, array: Some(10) }).await
}

pub async fn resets(site: &Site) -> Ending {
    let devices = Line { reset_chance: 0.05, ..Line::default() };
    // Of each chunk: the broker's connection carries hundreds of them a second.
    let behind = Line { reset_chance: 0.001, ..Line::default() };
    over(site, Bad { case: "network/resets", devices, behind, rate: site.cli.rate, array: None }).await
}

pub async fn slow(site: &Site) -> Ending {
    let line = Line { bytes_per_s: Some(10 * 1_024), ..Line::default() };
    // A heartbeat is some 300 bytes in the queue, and more with each hop's own.
    over(site, Bad { case: "network/slow", devices: line, behind: line, rate: 10, array: None }).await
}

async fn over(site: &Site, bad: Bad<'_>) -> Ending {
    let broker = Proxy::open(Proxy::upstream_of(&site.services.amqp_url)).await;
    let database = Proxy::open(Proxy::upstream_of(&site.services.database_url)).await;
    let plan = Plan::default()
        .both("AMQP_URL", &broker.through(&site.services.amqp_url))
        .both("DATABASE_URL", &database.through(&site.services.database_url));
    let stack = Stack::start(site, bad.case, plan).await?;
    let devices = Proxy::open(Proxy::upstream_of(&stack.url())).await;
    let url = format!("http://{}", devices.address());
    let spec = LoadSpec { array: bad.array, ..LoadSpec::new(&url, bad.rate) };
    let (load, probe) = (stack.load_of(spec)?, stack.probe()?);
    tokio::time::sleep(CALM).await;
    let broken = Instant::now();
    devices.degrade(bad.devices);
    for proxy in [&broker, &database] {
        proxy.degrade(bad.behind);
    }
    tokio::time::sleep(site.lasting(60, 8)).await;
    let mended = Instant::now();
    for proxy in [&devices, &broker, &database] {
        proxy.degrade(Line::default());
    }
    let recovered_in = probe.recovery(mended).await?;
    tokio::time::sleep(CALM).await;
    let answers = probe.answers(broken, mended);
    drop(probe);
    let mut outcome = stack.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("meanwhile, asked over a good line: {}", answers.summary()));
    outcome.require(answers.only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(answers.slowest < super::LONGEST_ANSWER, "an answer took longer than every time limit");
    stack.stop(&mut outcome).await;
    Ok(outcome)
}
