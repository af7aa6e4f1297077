//! Devices that live through an outage of Pulso, and some that die in it.
//!
//! ```text
//!  start ── well ── broken ──── let_die ──── mended ── recovered ── offline_after + 2 s ──▶ finish: judged
//!  the living send all the time, and go on trying while they are refused; those that die are silent from let_die on
//! ```

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::diary::Diary;
use super::flapping::in_order;
use super::outage_verdict::{NOTICED_WITHIN, OutageVerdict};
use super::population::Population;
use super::survivor::Survivor;
use crate::cli::Failure;

/// Between the last moment at which a death may be noticed and the reading of the timelines.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// How long all devices together may take, beyond their interval, until each has been heard.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// Devices at work; they end when this is dropped.
pub struct Witnesses {
    population: Population,
    dying: usize,
    started_at: DateTime<Utc>,
    death: CancellationToken,
    end: DropGuard,
    lives: JoinSet<(usize, Diary)>,
}

impl Witnesses {
    /// Lets them begin to send, and waits until each of them has been heard; the first `dying` are those that will die.
    ///
    /// # Errors
    /// When their owner cannot sign in, or one of them is not heard.
    pub async fn start(population: Population, dying: usize) -> Result<Self, Failure> {
        let senders = population.senders().await?;
        let interval = population.spec().interval;
        let (end, started_at) = (CancellationToken::new(), Clock::system().now());
        let death = end.child_token();
        let mut lives = JoinSet::new();
        let (unheard, mut all_heard) = mpsc::channel(1);
        for sender in senders {
            let index = sender.index;
            let end = if index < dying { death.clone() } else { end.clone() };
            let survivor = Survivor { sender, interval, unheard: Some(unheard.clone()), end };
            lives.spawn(async move { (index, survivor.live().await) });
        }
        drop(unheard);
        // Nobody says anything: it ends when all have dropped their end.
        tokio::time::timeout(interval + HEARD_WITHIN, all_heard.recv()).await?;
        Ok(Self { population, dying, started_at, death, end: end.drop_guard(), lives })
    }

    /// Those that are to die do so now, for good.
    pub fn let_die(&self) {
        self.death.cancel();
    }

    /// Waits until whoever died must have been found, ends the others, and judges. `recovered_at`: when Pulso worked
    /// again. The diaries are in the devices' order.
    ///
    /// # Errors
    /// When the timelines cannot be read.
    pub async fn finish(self, recovered_at: DateTime<Utc>) -> Result<(OutageVerdict, Vec<Diary>, Population), Failure> {
        let offline_after = self.population.offline_after();
        let found_by = recovered_at + offline_after + NOTICED_WITHIN + MARGIN;
        tokio::time::sleep((found_by - Clock::system().now()).to_std().unwrap_or(Duration::ZERO)).await;
        drop(self.end);
        let diaries = in_order(self.lives).await?;
        // The living ended a moment ago: whoever of them is called offline is so falsely.
        let timelines = self.population.timelines(self.started_at).await?;
        let mut verdict = OutageVerdict::new(recovered_at, offline_after);
        for (place, (diary, timeline)) in diaries.iter().zip(&timelines).enumerate() {
            if place < self.dying {
                verdict.add_dead(diary, timeline);
            } else {
                verdict.add_living(diary, timeline);
            }
        }
        Ok((verdict, diaries, self.population))
    }
}
