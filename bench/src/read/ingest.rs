//! Ingest beside a large history: into the large table and an empty one, and with and without people who read.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pulso_simulator::load::{LoadPlan, LoadRun, Target};
use pulso_simulator::screen::Screen;
use reqwest::StatusCode;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::config::ReadConfig;
use super::dataset::Dataset;
use super::queries::{Habit, People, Question, of_habit, questions};
use super::site::Site;
use crate::Failure;

const ROUTE: &str = "/api/v1/heartbeats";
/// Arrays of 100: the database is then what ingest waits for.
const ARRAY: Option<NonZeroU32> = NonZeroU32::new(100);
const CONNECTIONS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(20);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(600);
const DRAIN_POLL: Duration = Duration::from_millis(50);
/// Queries a second while ingest runs.
const QUERIES_PER_S: u32 = 50;

/// Two rates in alternating rounds, rows stored a second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparison {
    /// What it is measured against.
    pub base: Vec<f64>,
    /// What is measured.
    pub other: Vec<f64>,
    /// Rows accepted, in all rounds.
    pub accepted: u64,
    /// Rows brought to the database, in all rounds.
    pub stored: u64,
    /// Queries answered meanwhile.
    pub queries: u64,
    /// Queries that were not answered well.
    pub failed_queries: u64,
}

/// What one load came to.
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
    large: &mut Site,
    empty: &mut Site,
    screen: &Screen,
) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    // The first load of each is not counted: it makes the connections, and finds the pages.
    load(config, empty, 1, screen, "warming up").await?;
    load(config, large, 1, screen, "warming up").await?;
    for _ in 0..config.rounds {
        comparison.add(&load(config, empty, config.load_s, screen, "into an empty table").await?, true);
        comparison.add(&load(config, large, config.load_s, screen, "into the large table").await?, false);
    }
    Ok(comparison)
}

/// With people of such a habit who read against without.
pub async fn compare_queries(
    config: &ReadConfig,
    large: &mut Site,
    people: &People,
    data: &Dataset,
    habit: Habit,
    screen: &Screen,
) -> Result<Comparison, Failure> {
    let (mut comparison, questions) = (Comparison::default(), of_habit(&questions(data)?, habit));
    let (answered, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..config.rounds {
        comparison.add(&load(config, large, config.load_s, screen, "nobody reads").await?, true);
        let asking = ask_steadily(people, &questions, &answered, &failed);
        let rate = tokio::select! {
            rate = load(config, large, config.load_s, screen, "50 queries a second") => rate?,
            () = asking => return Err("the queries ended".into()),
        };
        comparison.add(&rate, false);
    }
    comparison.queries = answered.into_inner();
    comparison.failed_queries = failed.into_inner();
    Ok(comparison)
}

/// Asks at a fixed rate, whatever the answers take, for ever.
async fn ask_steadily(people: &People, questions: &[Question], answered: &AtomicU64, failed: &AtomicU64) {
    let mut ticks = interval(Duration::from_secs(1) / QUERIES_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let turns = (0..).flat_map(|turn| questions.iter().map(move |question| (turn, question)));
    let (mut asked, mut in_flight) = (turns, FuturesUnordered::new());
    loop {
        tokio::select! {
            _ = ticks.tick() => in_flight.extend(asked.next().map(|(turn, question)| people.ask(question, turn))),
            Some(answer) = in_flight.next() => {
                let is_well = matches!(answer, Ok((StatusCode::OK, _)));
                (if is_well { answered } else { failed }).fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Sends for a while, and waits until all of it is stored: the rate is that of the whole.
async fn load(
    config: &ReadConfig,
    site: &mut Site,
    seconds: u32,
    screen: &Screen,
    what: &str,
) -> Result<Rate, Failure> {
    site.check()?;
    let before = site.stored().await?;
    let plan = LoadPlan {
        target: Target::new(site.api_url(), ROUTE)?,
        tokens: site.tokens.clone(),
        connections: NonZeroUsize::new(CONNECTIONS).ok_or("no connections")?,
        threads: NonZeroUsize::MIN,
        duration: config.load_time().min(Duration::from_secs(u64::from(seconds))),
        rate: None,
        array: ARRAY,
        resend_share: 0.0,
        patience: PATIENCE,
        journal: None,
    };
    screen.live(&format!("ingest, {what}"));
    let started = Instant::now();
    let tally = LoadRun::start(plan, CancellationToken::new())?.finish().await?;
    if let Some(refusal) = &tally.first_refusal {
        return Err(format!("the load was refused: {refusal}").into());
    }
    let wanted = Duration::from_secs(tally.accepted).as_secs_f64();
    loop {
        let stored = site.stored().await? - before;
        // Half a row for peace of mind: counts are far below 2^53, and so exact.
        if stored >= wanted - 0.5 || started.elapsed() > DRAIN_TIMEOUT {
            let per_s = stored / started.elapsed().as_secs_f64();
            return Ok(Rate { per_s, accepted: tally.accepted, stored: Duration::from_secs_f64(stored).as_secs() });
        }
        site.check()?;
        sleep(DRAIN_POLL).await;
    }
}
