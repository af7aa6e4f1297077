//! One load, against the whole path or against the bare route.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use pulso_simulator::load::{LoadPlan, LoadRun, Tally, Target};
use pulso_simulator::rates::per_second;
use pulso_simulator::screen::Screen;
use reqwest::StatusCode;
use secrecy::SecretString;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::config::BenchConfig;
use crate::gauges::{Cpu, Moment};
use crate::outcome::{BareOutcome, Outcome};
use crate::processes::{forget_peak, memory};
use crate::running::Running;

/// The ingest route.
const ROUTE: &str = "/api/v1/heartbeats";
/// How long a request may go on trying after the end of the sending.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the queue may take to drain.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
const DRAIN_POLL: Duration = Duration::from_millis(100);
/// How often the live line is offered something new.
const SHOW_EVERY: Duration = Duration::from_millis(500);

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

/// What every load is sent with.
pub struct Bench<'a> {
    /// Settings.
    pub config: &'a BenchConfig,
    /// What runs.
    pub running: &'a mut Running,
    /// What the user sees.
    pub screen: &'a Screen,
    /// First part of the names of the floors' own queues.
    pub floor_prefix: String,
    /// The run's own database.
    pub database_url: SecretString,
}

impl Bench<'_> {
    /// What the bare route answers.
    pub async fn bare(&mut self, load: Load) -> Result<BareOutcome, Failure> {
        self.running.check()?;
        let before = Cpu::now(self.config, self.running);
        let plan = self.plan(self.running.bare_url(), load)?;
        let run = LoadRun::start(plan, CancellationToken::new())?;
        self.watch("bare route", &run, load).await;
        let tally = run.finish().await?;
        all_well(&tally)?;
        let cpu = Cpu::now(self.config, self.running).since(before).per_million(tally.accepted);
        Ok(BareOutcome {
            connections: load.connections,
            answers_per_s: per_second(tally.accepted_in_time, load.duration),
            p50_ms: tally.latency_ms(0.5),
            p99_ms: tally.latency_ms(0.99),
            cpu_per_million: cpu.bare,
            load_cpu_per_million: cpu.load,
        })
    }

    /// Sends through the whole path and waits until everything is stored.
    pub async fn whole_path(&mut self, load: Load) -> Result<Outcome, Failure> {
        self.running.check()?;
        let pids = self.running.pids();
        forget_peak(pids.api);
        forget_peak(pids.worker);
        let before = Moment::now(self.config, self.running).await?;
        let rows_before = self.running.counter.heartbeats().await?;
        let run = LoadRun::start(self.plan(self.running.api_url(), load)?, CancellationToken::new())?;
        let end = self.watch("whole path", &run, load).await;
        // The rows that this statement sees are those committed by now, however long it takes to count them.
        let stored_in_time = self.running.counter.heartbeats().await?.saturating_sub(rows_before);
        let tally = run.finish().await?;
        all_well(&tally)?;
        let (after, drained) = self.drain(&before, &tally, end).await?;
        let stored = self.running.counter.heartbeats().await?.saturating_sub(rows_before);
        let interval = before.until(&after);
        Ok(Outcome {
            connections: load.connections,
            array: load.array,
            offered_per_s: load.rate,
            accepted: tally.accepted,
            stored,
            unanswered: tally.unanswered,
            accepted_per_s: per_second(tally.accepted_in_time, load.duration),
            stored_per_s: per_second(stored_in_time, load.duration),
            backlog: tally.accepted_in_time.saturating_sub(stored_in_time),
            drained_s: drained.as_secs_f64(),
            slowed: count_of(&tally, &[StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE]),
            p50_ms: tally.latency_ms(0.5),
            p90_ms: tally.latency_ms(0.9),
            p99_ms: tally.latency_ms(0.99),
            max_ms: tally.latency_ms(1.0),
            readings_per_message: interval.readings_per_message,
            rows_per_batch: interval.rows_per_batch,
            cpu_per_million: interval.cpu.per_million(tally.accepted),
            api_memory: memory(pids.api),
            worker_memory: memory(pids.worker),
        })
    }

    /// Shows how a load is getting on, until the end of its sending; when that was.
    async fn watch(&self, what: &str, run: &LoadRun, load: Load) -> Instant {
        while run.started_at().is_none() {
            sleep(Duration::from_millis(2)).await;
        }
        let start = run.started_at().unwrap_or_else(Instant::now);
        let end = start + load.duration;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + SHOW_EVERY)).await;
            let rate = per_second(run.tally().accepted, start.elapsed());
            let (passed, whole) = (start.elapsed().as_secs(), load.duration.as_secs());
            let connections = load.connections;
            self.screen
                .live(&format!("{what}, {connections} connections, {passed} of {whole} s: {rate:.0} accepted/s"));
        }
        end
    }

    /// Waits until the worker has inserted what was accepted; how long after the end of the sending that was.
    async fn drain(&mut self, before: &Moment, tally: &Tally, end: Instant) -> Result<(Moment, Duration), Failure> {
        loop {
            self.running.check()?;
            let now = Moment::now(self.config, self.running).await?;
            let late = end.elapsed();
            let stored = now.stored() - before.stored();
            // A count is far below 2^53, so comparing it as a float is exact; half a row for peace of mind.
            if stored >= per_second(tally.accepted, Duration::from_secs(1)) - 0.5 || late > DRAIN_TIMEOUT {
                return Ok((now, late));
            }
            self.screen.live(&format!("draining the queue: {stored:.0} of {} stored", tally.accepted));
            sleep(DRAIN_POLL).await;
        }
    }

    fn plan(&self, url: &str, load: Load) -> Result<LoadPlan, Failure> {
        Ok(LoadPlan {
            target: Target::new(url, ROUTE)?,
            tokens: self.running.tokens.clone(),
            connections: NonZeroUsize::new(load.connections).ok_or("no connections")?,
            threads: NonZeroUsize::new(usize::from(self.config.threads)).ok_or("no threads")?,
            duration: load.duration,
            rate: load.rate,
            array: load.array,
            resend_share: 0.0,
            patience: PATIENCE,
            journal: None,
        })
    }
}

fn count_of(tally: &Tally, statuses: &[StatusCode]) -> u64 {
    statuses.iter().map(|status| tally.count_of(*status)).sum()
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
