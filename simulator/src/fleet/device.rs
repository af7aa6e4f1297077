//! One simulated device: measures at its own intervals, sends when it can, keeps a backlog of what it cannot send.

use std::sync::Arc;
use std::time::Duration;

use pulso_shared::clock::Clock;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::measures::DeviceState;
use super::payload::Kind;
use super::signal::DeviceModel;
use super::stats::Stats;
use super::uplink::{SendResult, Uplink};
use crate::random::SeededRandom;
use crate::retry::RetryDelays;

/// A longer gap than any request takes: this program was suspended, and so was the device.
const LONGEST_GAP: Duration = Duration::from_secs(120);

/// The device's credentials were revoked.
struct Revoked;

/// A regular measurement, and what of it waits to be sent.
struct Series {
    kind: Kind,
    interval: Duration,
    next: Duration,
    backlog: Backlog,
}

/// A device.
pub struct Device {
    /// Computes what it measures.
    pub model: DeviceModel,
    series: Vec<Series>,
    uplink: Uplink,
    stats: Arc<Stats>,
    delays: RetryDelays,
    /// After a failure: no attempt before this.
    not_before: Instant,
}

/// The intervals at which a device measures.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two sensor readings, if it has sensors.
    pub reading: Option<Duration>,
}

impl Device {
    /// The device of `seed`, which also decides when it measures for the first time.
    pub fn new(seed: u64, intervals: Intervals, uplink: Uplink, stats: Arc<Stats>) -> Self {
        let mut random = SeededRandom::new(seed);
        let series = [(Kind::Heartbeat, Some(intervals.heartbeat)), (Kind::Reading, intervals.reading)];
        let now = since_1970();
        Self {
            model: DeviceModel::new(seed),
            series: series
                .into_iter()
                .filter_map(|(kind, interval)| Some((kind, interval?)))
                .map(|(kind, interval)| Series {
                    kind,
                    interval,
                    next: now + interval.mul_f64(random.fraction()),
                    backlog: Backlog::default(),
                })
                .collect(),
            uplink,
            stats,
            delays: RetryDelays::new(seed),
            not_before: Instant::now(),
        }
    }

    /// Runs until it is stopped, or its credentials are revoked.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(self.pause()) => {}
                () = stop.cancelled() => return,
            }
            let now = since_1970();
            self.measure(now);
            if self.model.state(now) != DeviceState::Online || Instant::now() < self.not_before {
                continue;
            }
            tokio::select! {
                sent = self.send_all() => if sent.is_err() {
                    self.stats.update(|counts| counts.revoked = counts.revoked.saturating_add(1));
                    return;
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Until the next measurement, or the next attempt to send, whichever is earlier.
    fn pause(&self) -> Duration {
        let now = since_1970();
        let measure = self.series.iter().map(|series| series.next.saturating_sub(now)).min().unwrap_or(LONGEST_GAP);
        let waiting = self.series.iter().any(|series| series.backlog.len() > 0);
        let attempt = self.not_before.saturating_duration_since(Instant::now());
        if waiting && !attempt.is_zero() { measure.min(attempt) } else { measure }
    }

    /// Adds the measurements that have come due since the last call to the backlogs.
    fn measure(&mut self, now: Duration) {
        for series in &mut self.series {
            if now.saturating_sub(series.next) > LONGEST_GAP {
                series.next = now;
            }
            while series.next <= now {
                if self.model.state(series.next) != DeviceState::Restarting {
                    series.backlog.push(series.next);
                }
                series.next += series.interval;
            }
            let dropped = series.backlog.take_dropped();
            self.stats.update(|counts| counts.dropped = counts.dropped.saturating_add(dropped));
        }
    }

    /// Sends the backlogs, until they are empty or a request fails.
    async fn send_all(&mut self) -> Result<(), Revoked> {
        for place in 0..self.series.len() {
            while let Some((kind, times)) = self.next_request(place) {
                if !self.send(place, kind, &times).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn next_request(&self, place: usize) -> Option<(Kind, Vec<Duration>)> {
        let series = self.series.get(place)?;
        let times = series.backlog.next_batch();
        (!times.is_empty()).then_some((series.kind, times))
    }

    /// Sends the measurements of these times; whether to go on.
    async fn send(&mut self, place: usize, kind: Kind, times: &[Duration]) -> Result<bool, Revoked> {
        let items = u64::try_from(times.len()).unwrap_or(u64::MAX);
        let result = match kind.body(&self.model, times) {
            Ok(body) => self.uplink.send(kind, body).await,
            Err(error) => SendResult::Refused(error.to_string()),
        };
        self.record(&result, items);
        match result {
            SendResult::Accepted(..) | SendResult::Refused(_) => {
                self.delays.reset();
                if let Some(series) = self.series.get_mut(place) {
                    series.backlog.remove(times.len());
                }
                Ok(true)
            }
            SendResult::Retry(retry_after) => {
                self.not_before = Instant::now() + self.delays.next(retry_after);
                Ok(false)
            }
            SendResult::Revoked => Err(Revoked),
        }
    }

    fn record(&self, result: &SendResult, items: u64) {
        self.stats.update(|counts| {
            counts.sent = counts.sent.saturating_add(items);
            match result {
                SendResult::Accepted(accepted, latency) => {
                    counts.accepted = counts.accepted.saturating_add(*accepted);
                    counts.refused = counts.refused.saturating_add(items.saturating_sub(*accepted));
                    counts.record_latency(*latency);
                }
                SendResult::Refused(response) => {
                    counts.refused = counts.refused.saturating_add(items);
                    counts.last_refusal = Some(response.clone());
                }
                SendResult::Retry(_) => counts.retried = counts.retried.saturating_add(1),
                SendResult::Revoked => {}
            }
        });
    }
}

/// Now, since 1970.
pub fn since_1970() -> Duration {
    Duration::from_micros(u64::try_from(Clock::system().now().timestamp_micros()).unwrap_or(0))
}
