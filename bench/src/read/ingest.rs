//! Ingest beside a large history: into the large table and an empty one, and with and without queries.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pulso_simulator::load::{HEARTBEATS, LoadPlan, LoadRun, Target};
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use reqwest::StatusCode;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::config::ReadConfig;
use super::dataset::Dataset;
use super::deployment::Deployment;
use super::queries::{CachePattern, Query, Readers, queries, with_pattern};

/// Arrays of 100: the database is then the bottleneck.
const ARRAY: Option<NonZeroU32> = NonZeroU32::new(100);
const CONNECTIONS: usize = 32;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(600);
const DRAIN_POLL: Duration = Duration::from_millis(50);
/// Queries a second while ingest runs.
const QUERIES_PER_S: u32 = 50;

/// Two rates in alternating rounds, rows stored a second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparison {
    /// The rates to compare with.
    pub base: Vec<f64>,
    /// The rates that are measured.
    pub other: Vec<f64>,
    /// Rows accepted, in all rounds.
    pub accepted: u64,
    /// Rows written, in all rounds.
    pub stored: u64,
    /// Queries answered meanwhile.
    pub queries: u64,
    /// Queries without a 200.
    pub failed_queries: u64,
}

/// The result of one load.
struct Rate {
    per_s: f64,
    accepted: u64,
    stored: u64,
}

impl Comparison {
    fn add(&mut self, rate: &Rate, is_base: bool) {
        if is_base {
            self.base.push(rate.per_s)
        } else {
            self.other.push(rate.per_s)
        }
        self.accepted = self.accepted.saturating_add(rate.accepted);
        self.stored = self.stored.saturating_add(rate.stored);
    }
}

/// The large table against the empty one.
pub async fn compare_tables(
    config: &ReadConfig,
    large: &mut Deployment,
    empty: &mut Deployment,
    screen: &Screen,
) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    // The first load of each is not counted: it opens connections and fills caches.
    load(config, empty, 1, screen, "warming up").await?;
    load(config, large, 1, screen, "warming up").await?;
    for _ in 0..config.rounds {
        comparison.add(&load(config, empty, config.load_s, screen, "into an empty table").await?, true);
        comparison.add(&load(config, large, config.load_s, screen, "into the large table").await?, false);
    }
    Ok(comparison)
}

/// With queries of such a cache pattern against without.
pub async fn compare_queries(
    config: &ReadConfig,
    large: &mut Deployment,
    readers: &Readers,
    data: &Dataset,
    pattern: CachePattern,
    screen: &Screen,
) -> Result<Comparison, Failure> {
    let (mut comparison, queries) = (Comparison::default(), with_pattern(&queries(data)?, pattern));
    let (answered, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..config.rounds {
        comparison.add(&load(config, large, config.load_s, screen, "no queries").await?, true);
        let querying = query_steadily(readers, &queries, &answered, &failed);
        let rate = tokio::select! {
            rate = load(config, large, config.load_s, screen, "50 queries a second") => rate?,
            () = querying => return Err("the queries ended".into()),
        };
        comparison.add(&rate, false);
    }
    comparison.queries = answered.into_inner();
    comparison.failed_queries = failed.into_inner();
    Ok(comparison)
}

/// Sends queries at a fixed rate, however long the responses take, until it is cancelled.
async fn query_steadily(readers: &Readers, queries: &[Query], answered: &AtomicU64, failed: &AtomicU64) {
    let mut ticks = interval(Duration::from_secs(1) / QUERIES_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut turns = (0..).flat_map(|turn| queries.iter().map(move |query| (turn, query)));
    let mut in_flight = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => in_flight.extend(turns.next().map(|(turn, query)| readers.send(query, turn))),
            Some(response) = in_flight.next() => {
                let is_ok = matches!(response, Ok((StatusCode::OK, _)));
                (if is_ok { answered } else { failed }).fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Sends for a while, and waits until all of it is stored: the rate is that of the whole.
async fn load(
    config: &ReadConfig,
    deployment: &mut Deployment,
    seconds: u32,
    screen: &Screen,
    what: &str,
) -> Result<Rate, Failure> {
    deployment.check()?;
    let before = deployment.stored().await?;
    let plan = LoadPlan {
        target: Target::new(deployment.api_url(), HEARTBEATS)?,
        tokens: deployment.tokens.clone(),
        connections: NonZeroUsize::new(CONNECTIONS).ok_or("no connections")?,
        threads: NonZeroUsize::MIN,
        duration: config.load_time().min(Duration::from_secs(u64::from(seconds))),
        rate: None,
        array: ARRAY,
        resend_share: 0.0,
        retry_timeout: RETRY_TIMEOUT,
        journal: None,
    };
    screen.live(&format!("ingest, {what}"));
    let started = Instant::now();
    let tally = LoadRun::start(plan)?.finish().await?;
    if let Some(refusal) = &tally.first_refusal {
        return Err(format!("the load was refused: {refusal}").into());
    }
    let wanted = Duration::from_secs(tally.accepted).as_secs_f64();
    loop {
        let stored = deployment.stored().await? - before;
        // Counts are exact far below 2^53; half a row is the tolerance of the comparison.
        if stored >= wanted - 0.5 || started.elapsed() > DRAIN_TIMEOUT {
            let per_s = stored / started.elapsed().as_secs_f64();
            return Ok(Rate { per_s, accepted: tally.accepted, stored: Duration::from_secs_f64(stored).as_secs() });
        }
        deployment.check()?;
        sleep(DRAIN_POLL).await;
    }
}
