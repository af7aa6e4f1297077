//! One load against the whole path, and against the bare route.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use pulso_simulator::load::{LoadPlan, LoadRun, Tally, Target};
use reqwest::StatusCode;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::config::BenchConfig;
use crate::gauges::{Cpu, Moment, rate};
use crate::processes::{Memory, forget_peak, memory};
use crate::screen;
use crate::site::{Running, Site};

/// The ingest route.
const ROUTE: &str = "/api/v1/heartbeats";
/// How long a request may go on trying after the end of the sending.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the queue may take to drain.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
const DRAIN_POLL: Duration = Duration::from_millis(100);

/// What to send.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// Heartbeats in a request's array.
    pub array: Option<NonZeroU32>,
    /// How long.
    pub duration: Duration,
    /// Requests a second, or as many as the answers allow.
    pub rate: Option<f64>,
}

/// What came of a load.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub connections: usize,
    pub array: Option<NonZeroU32>,
    pub offered_per_s: Option<f64>,
    pub accepted: u64,
    pub accepted_per_s: f64,
    pub stored: u64,
    pub stored_per_s: f64,
    pub backlog: u64,
    pub drained_s: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub slowed: u64,
    pub unanswered: u64,
    pub refused: u64,
    pub readings_per_message: f64,
    pub rows_per_batch: f64,
    pub cpu_per_million: Cpu,
    pub api_memory: Memory,
    pub worker_memory: Memory,
}

/// The first scenarios, while the others are being written.
pub async fn first_look(config: &BenchConfig, site: &mut Site) -> Result<(), Failure> {
    let running = site.running()?;
    let seconds = |long: u64| Duration::from_secs(if config.quick { 5 } else { long });
    for (connections, long) in [(64, 10), (256, 30), (1_000, 10)] {
        let load = Load { connections, array: None, duration: seconds(long), rate: None };
        let bare = bare(config, running, Load { duration: seconds(8), ..load }).await?;
        let outcome = whole_path(config, running, load).await?;
        print(&outcome, bare);
    }
    let arrays = Load { connections: 32, array: NonZeroU32::new(100), duration: seconds(10), rate: None };
    let outcome = whole_path(config, running, arrays).await?;
    print(&outcome, 0.0);
    Ok(())
}

fn print(outcome: &Outcome, bare: f64) {
    let Outcome {
        connections, accepted_per_s, stored_per_s, p50_ms, p99_ms, readings_per_message, rows_per_batch, ..
    } = outcome;
    let cpu = outcome.cpu_per_million;
    screen::line(&format!(
        "{connections} connections: accepted {accepted_per_s:.0}/s stored {stored_per_s:.0}/s bare {bare:.0}/s ratio {:.2} \
         p50 {p50_ms:.1} p99 {p99_ms:.1} ms, {readings_per_message:.0} a message, {rows_per_batch:.0} a batch; \
         CPU/M api {:.1} broker {:.1} worker {:.1} db {:.1} = {:.1} load {:.1}; rss api {:.0} worker {:.0} MB; backlog {} slowed {} unanswered {} refused {} accepted {} stored {}",
        stored_per_s / bare,
        cpu.api,
        cpu.broker,
        cpu.worker,
        cpu.database,
        cpu.system(),
        cpu.load,
        outcome.api_memory.peak_mb,
        outcome.worker_memory.peak_mb,
        outcome.backlog,
        outcome.slowed,
        outcome.unanswered,
        outcome.refused,
        outcome.accepted,
        outcome.stored
    ));
}

/// Answers a second of the bare route.
pub async fn bare(config: &BenchConfig, running: &mut Running, load: Load) -> Result<f64, Failure> {
    let tally =
        LoadRun::start(plan(config, running, running.bare_url(), load)?, CancellationToken::new())?.finish().await?;
    all_well(&tally)?;
    Ok(rate(tally.accepted_in_time, load.duration))
}

/// Sends through the whole path and waits until everything is stored.
pub async fn whole_path(config: &BenchConfig, running: &mut Running, load: Load) -> Result<Outcome, Failure> {
    running.check()?;
    let (api, worker, _) = running.pids();
    forget_peak(api);
    forget_peak(worker);
    let before = Moment::now(config, running).await?;
    let rows_before = running.counter.heartbeats().await?;
    let run = LoadRun::start(plan(config, running, running.api_url(), load)?, CancellationToken::new())?;
    let end = loop {
        if let Some(start) = run.started_at() {
            break start + load.duration;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    tokio::time::sleep_until(end).await;
    let stored_in_time = running.counter.heartbeats().await?.saturating_sub(rows_before);
    let tally = run.finish().await?;
    all_well(&tally)?;
    let (after, drained_s) = drain(config, running, &before, &tally, end).await?;
    let stored = running.counter.heartbeats().await?.saturating_sub(rows_before);
    let interval = before.until(&after);
    Ok(Outcome {
        connections: load.connections,
        array: load.array,
        offered_per_s: load.rate,
        accepted: tally.accepted,
        accepted_per_s: rate(tally.accepted_in_time, load.duration),
        stored,
        stored_per_s: rate(stored_in_time, load.duration),
        backlog: tally.accepted_in_time.saturating_sub(stored_in_time),
        drained_s,
        p50_ms: tally.latency_ms(0.5),
        p90_ms: tally.latency_ms(0.9),
        p99_ms: tally.latency_ms(0.99),
        max_ms: tally.latency_ms(1.0),
        slowed: tally
            .count_of(StatusCode::TOO_MANY_REQUESTS)
            .saturating_add(tally.count_of(StatusCode::SERVICE_UNAVAILABLE)),
        unanswered: tally.unanswered,
        refused: tally.refused,
        readings_per_message: interval.readings_per_message,
        rows_per_batch: interval.rows_per_batch,
        cpu_per_million: interval.cpu.per_million(tally.accepted),
        api_memory: memory(api),
        worker_memory: memory(worker),
    })
}

/// Waits until the worker has inserted what was accepted.
async fn drain(
    config: &BenchConfig,
    running: &mut Running,
    before: &Moment,
    tally: &Tally,
    end: tokio::time::Instant,
) -> Result<(Moment, f64), Failure> {
    let accepted = Duration::from_micros(tally.accepted).as_secs_f64() * 1e6;
    loop {
        running.check()?;
        let now = Moment::now(config, running).await?;
        let late = end.elapsed();
        if now.stored() - before.stored() >= accepted - 0.5 || late > DRAIN_TIMEOUT {
            return Ok((now, late.as_secs_f64()));
        }
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

fn plan(config: &BenchConfig, running: &Running, url: &str, load: Load) -> Result<LoadPlan, Failure> {
    Ok(LoadPlan {
        target: Target::new(url, ROUTE)?,
        tokens: running.tokens.clone(),
        connections: NonZeroUsize::new(load.connections).ok_or("no connections")?,
        threads: NonZeroUsize::new(usize::from(config.threads)).ok_or("no threads")?,
        duration: load.duration,
        rate: load.rate,
        array: load.array,
        resend_share: 0.0,
        patience: PATIENCE,
        journal: None,
    })
}

/// A refusal means that what we send is wrong, and then nothing measured means anything.
fn all_well(tally: &Tally) -> Result<(), Failure> {
    match &tally.first_refusal {
        Some(refusal) => Err(format!("the load was refused: {refusal}").into()),
        None if tally.accepted == 0 => {
            Err(format!("nothing was accepted: {}", tally.last_failure.as_deref().unwrap_or("no reason known")).into())
        }
        None => Ok(()),
    }
}
