//! Devices that come and go while Pulso is well, and how late it notices.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pulso_shared::clock::Clock;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::device::Life;
use super::diary::Diary;
use super::population::Population;
use super::verdict::Verdict;
use crate::cli::Failure;
use crate::screen::Screen;

/// How long the clock has, after the sending has ended, to notice what fell silent before.
const SETTLE: Duration = Duration::from_secs(5);

/// How it is gone about.
#[derive(Debug, Clone, Copy)]
pub struct Flapping {
    /// How many devices come and go, %.
    pub share: u32,
    /// How long to send.
    pub duration: Duration,
    /// How late a silence may be noticed, at the 99th percentile, ms.
    pub limit_ms: u32,
}

impl Flapping {
    /// Lets the devices live, and compares their diaries with their timelines. The diaries are in the devices' order.
    ///
    /// # Errors
    /// When their timelines cannot be read.
    pub async fn measure(self, population: &Population, screen: &Screen) -> Result<(Verdict, Vec<Diary>), Failure> {
        let devices = population.spec().devices.get();
        let flapping = devices.saturating_mul(usize::try_from(self.share)?) / 100;
        screen.line(&format!("{devices} devices send for {:?}, {flapping} of them come and go", self.duration));
        let started_at: DateTime<Utc> = Clock::system().now();
        let diaries = in_order(self.live(population, flapping).await?).await?;
        tokio::time::sleep(SETTLE).await;
        screen.line("reading the timelines");
        let timelines = population.timelines(started_at).await?;
        let mut verdict = Verdict::new(devices, flapping, self.limit_ms);
        for (diary, timeline) in diaries.iter().zip(&timelines) {
            verdict.compare(diary, timeline, population.offline_after());
        }
        Ok((verdict, diaries))
    }

    /// All devices' lives, side by side.
    async fn live(self, population: &Population, flapping: usize) -> Result<JoinSet<(usize, Diary)>, Failure> {
        let senders = population.senders().await?;
        let (interval, offline_after) = (population.spec().interval, population.offline_after().to_std()?);
        let end = Instant::now() + self.duration;
        let mut lives = JoinSet::new();
        for sender in senders {
            let index = sender.index;
            let life = Life { flaps: index < flapping, sender, interval, offline_after, end };
            lives.spawn(async move { (index, life.live().await) });
        }
        Ok(lives)
    }
}

/// The diaries of all, once all have ended, in the devices' order.
pub(super) async fn in_order(mut lives: JoinSet<(usize, Diary)>) -> Result<Vec<Diary>, Failure> {
    let mut diaries = Vec::with_capacity(lives.len());
    while let Some(life) = lives.join_next().await {
        diaries.push(life?);
    }
    diaries.sort_by_key(|(index, _)| *index);
    Ok(diaries.into_iter().map(|(_, diary)| diary).collect())
}
