//! One simulated device: measures on its own beat, sends when it can, keeps what it cannot.

use std::sync::Arc;
use std::time::Duration;

use pulso_shared::clock::Clock;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::measures::Presence;
use super::payload::Kind;
use super::signal::DeviceModel;
use super::stats::Stats;
use super::uplink::{Outcome, Uplink};
use crate::backoff::Backoff;

/// A longer gap than any request takes: this program was stopped, and so was the device.
const LONGEST_GAP: Duration = Duration::from_secs(120);

/// The device is no longer known to the API.
struct Gone;

/// A regular measurement and what of it waits to be sent.
struct Series {
    kind: Kind,
    every: Duration,
    next: Duration,
    backlog: Backlog,
}

/// A device.
pub struct Device {
    /// What it measures.
    pub model: DeviceModel,
    series: Vec<Series>,
    uplink: Uplink,
    stats: Arc<Stats>,
    backoff: Backoff,
    /// After a failure: no attempt before this.
    not_before: Instant,
}

/// How often a device measures.
#[derive(Debug, Clone, Copy)]
pub struct Beats {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two sensor readings, if it has sensors.
    pub reading: Option<Duration>,
}

impl Device {
    /// The device that `seed` makes; its beats begin at moments of its own.
    #[must_use]
    pub fn new(seed: u64, beats: Beats, uplink: Uplink, stats: Arc<Stats>) -> Self {
        let mut backoff = Backoff::new(seed);
        let series = [(Kind::Heartbeat, Some(beats.heartbeat)), (Kind::Reading, beats.reading)];
        let now = since_1970();
        Self {
            model: DeviceModel::new(seed),
            series: series
                .into_iter()
                .filter_map(|(kind, every)| Some((kind, every?)))
                .map(|(kind, every)| Series {
                    kind,
                    every,
                    next: now + every.mul_f64(backoff.share()),
                    backlog: Backlog::default(),
                })
                .collect(),
            uplink,
            stats,
            backoff,
            not_before: Instant::now(),
        }
    }

    /// Lives until it is stopped, or the API no longer knows it.
    pub async fn live(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(self.pause()) => {}
                () = stop.cancelled() => return,
            }
            let now = since_1970();
            self.measure(now);
            if self.model.presence(now) != Presence::Online || Instant::now() < self.not_before {
                continue;
            }
            tokio::select! {
                sent = self.send_all() => if sent.is_err() {
                    self.stats.update(|counts| counts.gone = counts.gone.saturating_add(1));
                    return;
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Until the next measurement, or the next attempt where one is due earlier.
    fn pause(&self) -> Duration {
        let now = since_1970();
        let measure = self.series.iter().map(|series| series.next.saturating_sub(now)).min().unwrap_or(LONGEST_GAP);
        let waiting = self.series.iter().any(|series| series.backlog.len() > 0);
        let attempt = self.not_before.saturating_duration_since(Instant::now());
        if waiting && !attempt.is_zero() { measure.min(attempt) } else { measure }
    }

    /// Keeps the moments that have passed since the last time.
    fn measure(&mut self, now: Duration) {
        for series in &mut self.series {
            if now.saturating_sub(series.next) > LONGEST_GAP {
                series.next = now;
            }
            while series.next <= now {
                if self.model.presence(series.next) != Presence::Restarting {
                    series.backlog.keep(series.next);
                }
                series.next += series.every;
            }
            let dropped = series.backlog.take_dropped();
            self.stats.update(|counts| counts.dropped = counts.dropped.saturating_add(dropped));
        }
    }

    /// Sends what waits, until there is nothing more or something fails.
    async fn send_all(&mut self) -> Result<(), Gone> {
        for place in 0..self.series.len() {
            while let Some((kind, moments)) = self.next_request(place) {
                if !self.send(place, kind, &moments).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn next_request(&self, place: usize) -> Option<(Kind, Vec<Duration>)> {
        let series = self.series.get(place)?;
        let moments = series.backlog.next();
        (!moments.is_empty()).then_some((series.kind, moments))
    }

    /// Sends these moments' measurements; whether to go on.
    async fn send(&mut self, place: usize, kind: Kind, moments: &[Duration]) -> Result<bool, Gone> {
        let items = u64::try_from(moments.len()).unwrap_or(u64::MAX);
        let outcome = match kind.body(&self.model, moments) {
            Ok(body) => self.uplink.send(kind, body).await,
            Err(error) => Outcome::Refused(error.to_string()),
        };
        self.note(&outcome, items);
        match outcome {
            Outcome::Taken(..) | Outcome::Refused(_) => {
                self.backoff.reset();
                if let Some(series) = self.series.get_mut(place) {
                    series.backlog.forget(moments.len());
                }
                Ok(true)
            }
            Outcome::Later(advised) => {
                self.not_before = Instant::now() + self.backoff.next(advised);
                Ok(false)
            }
            Outcome::Gone => Err(Gone),
        }
    }

    fn note(&self, outcome: &Outcome, items: u64) {
        self.stats.update(|counts| {
            counts.sent = counts.sent.saturating_add(items);
            match outcome {
                Outcome::Taken(taken, latency) => {
                    counts.accepted = counts.accepted.saturating_add(*taken);
                    counts.refused = counts.refused.saturating_add(items.saturating_sub(*taken));
                    counts.note_latency(*latency);
                }
                Outcome::Refused(answer) => {
                    counts.refused = counts.refused.saturating_add(items);
                    counts.last_refusal = Some(answer.clone());
                }
                Outcome::Later(_) => counts.retried = counts.retried.saturating_add(1),
                Outcome::Gone => {}
            }
        });
    }
}

/// Now, since 1970.
pub fn since_1970() -> Duration {
    Duration::from_micros(u64::try_from(Clock::system().now().timestamp_micros()).unwrap_or(0))
}
