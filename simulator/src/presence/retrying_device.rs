//! One device that goes on trying during an outage, as a real one does: what was not accepted is kept and sent again, all
//! of it in one request, with exponential backoff.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::send_log::SendLog;
use super::sender::Sender;
use crate::random::SeededRandom;
use crate::retry::RetryDelays;

/// A device, until it fails or the measurement ends.
pub struct RetryingDevice {
    /// Sends as this device.
    pub sender: Sender,
    /// Between two heartbeats.
    pub interval: Duration,
    /// Dropped when its first heartbeat has been accepted.
    pub until_first_accepted: Option<mpsc::Sender<()>>,
    /// Its failure, or the end of the measurement.
    pub end: CancellationToken,
}

impl RetryingDevice {
    /// Runs to the end; what was not accepted by then is lost with the device.
    pub async fn run(mut self) -> SendLog {
        let mut log = SendLog::default();
        let end = self.end.clone();
        let _ended = end.run_until_cancelled(self.send_all(&mut log)).await;
        log
    }

    async fn send_all(&mut self, log: &mut SendLog) {
        let mut delays = RetryDelays::new(self.sender.seed());
        let first = self.interval.mul_f64(SeededRandom::new(self.sender.seed()).fraction());
        let mut due = Instant::now() + first;
        let mut pending = Vec::new();
        loop {
            sleep_until(due).await;
            self.measure(&mut due, &mut pending, log);
            while let Err(refusal) = self.sender.send(&pending).await {
                sleep(delays.next(refusal.retry_after)).await;
                self.measure(&mut due, &mut pending, log);
            }
            log.record_accepted(std::mem::take(&mut pending));
            self.until_first_accepted = None;
            delays.reset();
        }
    }

    /// Adds the heartbeat of now, when it is due. Those that came due during a retry's delay were never made.
    fn measure(&self, due: &mut Instant, pending: &mut Vec<DateTime<Utc>>, log: &mut SendLog) {
        let now = Instant::now();
        if now < *due {
            return;
        }
        pending.push(log.record_sent());
        while *due <= now {
            *due += self.interval;
        }
    }
}
