//! One load, against the whole path or against the bare route.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use pulso_simulator::load::{HEARTBEATS, LoadPlan, LoadRun, Tally, Target};
use pulso_simulator::rates::per_second;
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use reqwest::StatusCode;
use secrecy::SecretString;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::BenchConfig;
use crate::gauges::{CpuTime, Sample};
use crate::processes::{memory, reset_peak};
use crate::results::{BareResult, LoadResult};
use crate::system::SystemUnderTest;

/// How long after the end of the sending a request is retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the queue may take to drain.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
const DRAIN_POLL: Duration = Duration::from_millis(100);
/// How often the live line is rewritten.
const SHOW_INTERVAL: Duration = Duration::from_millis(500);

/// What to send.
#[derive(Debug, Clone, Copy)]
pub struct LoadSpec {
    /// Connections.
    pub connections: usize,
    /// Heartbeats in a request's array.
    pub array: Option<NonZeroU32>,
    /// How long.
    pub duration: Duration,
    /// Requests a second, or as many as the responses allow.
    pub rate: Option<f64>,
}

/// Sends loads and measures them.
pub struct LoadRunner<'a> {
    /// Settings.
    pub config: &'a BenchConfig,
    /// The programs that are measured.
    pub system: &'a mut SystemUnderTest,
    /// Shows the progress.
    pub screen: &'a Screen,
    /// Prefix of the floors' own queues.
    pub floor_prefix: String,
    /// The run's own database.
    pub database_url: SecretString,
}

impl LoadRunner<'_> {
    /// Sends to the bare route.
    pub async fn bare_route(&mut self, load: LoadSpec) -> Result<BareResult, Failure> {
        self.system.check()?;
        let before = CpuTime::now(self.config, self.system);
        let plan = self.plan(self.system.bare_url(), load)?;
        let run = LoadRun::start(plan)?;
        self.watch("bare route", &run, load).await;
        let tally = run.finish().await?;
        require_accepted(&tally)?;
        let cpu = CpuTime::now(self.config, self.system).since(before).per_million(tally.accepted);
        Ok(BareResult {
            connections: load.connections,
            answers_per_s: per_second(tally.accepted_in_time, load.duration),
            p50_ms: tally.latency_ms(0.5),
            p99_ms: tally.latency_ms(0.99),
            cpu_per_million: cpu.bare,
            load_cpu_per_million: cpu.load,
        })
    }

    /// Sends through the whole path and waits until everything is stored.
    pub async fn whole_path(&mut self, load: LoadSpec) -> Result<LoadResult, Failure> {
        self.system.check()?;
        let pids = self.system.pids();
        reset_peak(pids.api);
        reset_peak(pids.worker);
        let before = Sample::now(self.config, self.system).await?;
        let rows_before = self.system.counter.heartbeats().await?;
        let run = LoadRun::start(self.plan(self.system.api_url(), load)?)?;
        let end = self.watch("whole path", &run, load).await;
        // The rows that this statement sees are those committed by now, however long it takes to count them.
        let stored_in_time = self.system.counter.heartbeats().await?.saturating_sub(rows_before);
        let tally = run.finish().await?;
        require_accepted(&tally)?;
        let (after, drained) = self.drain(&before, &tally, end).await?;
        let stored = self.system.counter.heartbeats().await?.saturating_sub(rows_before);
        let interval = before.until(&after);
        Ok(LoadResult {
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

    /// Shows a load's progress until the end of its sending; when that was.
    async fn watch(&self, what: &str, run: &LoadRun, load: LoadSpec) -> Instant {
        while run.started_at().is_none() {
            sleep(Duration::from_millis(2)).await;
        }
        let start = run.started_at().unwrap_or_else(Instant::now);
        let end = start + load.duration;
        while Instant::now() < end {
            sleep_until(end.min(Instant::now() + SHOW_INTERVAL)).await;
            let rate = per_second(run.tally().accepted, start.elapsed());
            let (passed, whole) = (start.elapsed().as_secs(), load.duration.as_secs());
            let connections = load.connections;
            self.screen
                .live(&format!("{what}, {connections} connections, {passed} of {whole} s: {rate:.0} accepted/s"));
        }
        end
    }

    /// Waits until the worker has inserted what was accepted; how long after the end of the sending that was.
    async fn drain(&mut self, before: &Sample, tally: &Tally, end: Instant) -> Result<(Sample, Duration), Failure> {
        loop {
            self.system.check()?;
            let now = Sample::now(self.config, self.system).await?;
            let late = end.elapsed();
            let stored = now.stored() - before.stored();
            // Counts are exact far below 2^53; half a row is the tolerance of the comparison.
            if stored >= per_second(tally.accepted, Duration::from_secs(1)) - 0.5 || late > DRAIN_TIMEOUT {
                return Ok((now, late));
            }
            self.screen.live(&format!("draining the queue: {stored:.0} of {} stored", tally.accepted));
            sleep(DRAIN_POLL).await;
        }
    }

    fn plan(&self, url: &str, load: LoadSpec) -> Result<LoadPlan, Failure> {
        Ok(LoadPlan {
            target: Target::new(url, HEARTBEATS)?,
            tokens: self.system.tokens.clone(),
            connections: NonZeroUsize::new(load.connections).ok_or("no connections")?,
            threads: NonZeroUsize::new(usize::from(self.config.threads)).ok_or("no threads")?,
            duration: load.duration,
            rate: load.rate,
            array: load.array,
            resend_share: 0.0,
            retry_timeout: RETRY_TIMEOUT,
            journal: None,
        })
    }
}

fn count_of(tally: &Tally, statuses: &[StatusCode]) -> u64 {
    statuses.iter().map(|status| tally.count_of(*status)).sum()
}

/// A refusal means that the load is wrong, and that the numbers mean nothing.
fn require_accepted(tally: &Tally) -> Result<(), Failure> {
    match &tally.first_refusal {
        Some(refusal) => Err(format!("the load was refused: {refusal}").into()),
        None if tally.accepted == 0 => {
            Err(format!("nothing was accepted: {}", tally.last_failure.as_deref().unwrap_or("no reason known")).into())
        }
        None => Ok(()),
    }
}
