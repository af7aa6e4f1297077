//! One device that flaps, or sends all the time: it follows its own plan, and keeps a log.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::send_log::SendLog;
use super::sender::Sender;
use crate::random::SeededRandom;

/// A planned silence is longer than the device may be silent, by at least this.
const EXTRA_SILENCE: Duration = Duration::from_secs(3);
/// How often the API is asked whether a device that is back is online.
const ONLINE_POLL: Duration = Duration::from_millis(20);
const ONLINE_TIMEOUT: Duration = Duration::from_secs(5);

/// A device, and its plan.
pub struct FlappingDevice {
    /// Sends as this device.
    pub sender: Sender,
    /// Between two heartbeats.
    pub interval: Duration,
    /// How long it may be silent.
    pub offline_after: Duration,
    /// Whether it flaps.
    pub flaps: bool,
    /// Until when it runs.
    pub end: Instant,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

impl FlappingDevice {
    /// Runs to the end. What is refused is not retried: that is a silence like any other, and in the log.
    pub async fn run(self) -> SendLog {
        let mut log = SendLog::default();
        let mut random = SeededRandom::new(self.sender.seed());
        sleep(self.interval.mul_f64(random.fraction())).await;
        while Instant::now() < self.end {
            let heartbeats = if self.flaps { random.between(1, 4) } else { 1 };
            for _ in 0..heartbeats {
                self.send(&mut log).await;
                sleep_until(self.end.min(Instant::now() + self.interval)).await;
            }
            if self.flaps && Instant::now() < self.end {
                self.be_silent(&mut log, random.fraction()).await;
            }
        }
        log
    }

    /// Is silent for longer than it may be, by up to twice, and comes back.
    async fn be_silent(&self, log: &mut SendLog, extra: f64) {
        let silence = self.offline_after + EXTRA_SILENCE + self.offline_after.mul_f64(extra);
        sleep_until(self.end.min(Instant::now() + silence)).await;
        if Instant::now() < self.end
            && self.send(log).await
            && let Some(after) = self.until_online().await
        {
            log.online_after.push(after);
        }
    }

    /// Whether it was accepted.
    async fn send(&self, log: &mut SendLog) -> bool {
        let pending = vec![log.record_sent()];
        let accepted = self.sender.send(&pending).await.is_ok();
        if accepted {
            log.record_accepted(pending);
        }
        accepted
    }

    /// How long it takes until the device is online, at most [`ONLINE_TIMEOUT`]; `None` when the API does not say.
    async fn until_online(&self) -> Option<Duration> {
        let started = Instant::now();
        while started.elapsed() < ONLINE_TIMEOUT {
            let health: Health = self.sender.get_as_owner("/api/v1/health").await?;
            if health.status == "online" {
                return Some(started.elapsed());
            }
            sleep(ONLINE_POLL).await;
        }
        Some(ONLINE_TIMEOUT)
    }
}
