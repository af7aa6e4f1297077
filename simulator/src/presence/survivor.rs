//! One device that goes on trying, whatever becomes of Pulso, as a real one does: what was not accepted is kept and
//! sent again, all of it at once, with waits that grow.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::diary::Diary;
use super::sender::Sender;
use crate::backoff::Backoff;

/// A device, until its end.
pub struct Survivor {
    /// Sends as this device.
    pub sender: Sender,
    /// How often it has a heartbeat to send.
    pub interval: Duration,
    /// Dropped when it has been heard for the first time.
    pub unheard: Option<mpsc::Sender<()>>,
    /// Its death, or the end of the measurement.
    pub end: CancellationToken,
}

impl Survivor {
    /// Lives until the end; what could not be sent by then is gone with it.
    pub async fn live(mut self) -> Diary {
        let mut diary = Diary::default();
        let end = self.end.clone();
        let _ended = end.run_until_cancelled(self.go_on(&mut diary)).await;
        diary
    }

    async fn go_on(&mut self, diary: &mut Diary) {
        let mut backoff = Backoff::new(self.sender.seed());
        let mut due = Instant::now() + self.interval.mul_f64(backoff.share());
        let mut pending = Vec::new();
        loop {
            sleep_until(due).await;
            self.collect(&mut due, &mut pending, diary);
            while let Err(refusal) = self.sender.send(&pending).await {
                sleep(backoff.next(refusal.advised)).await;
                self.collect(&mut due, &mut pending, diary);
            }
            diary.accept(std::mem::take(&mut pending));
            self.unheard = None;
            backoff.reset();
        }
    }

    /// The heartbeat of now, when it is due. Those that it had no time for while it waited were never made.
    fn collect(&self, due: &mut Instant, pending: &mut Vec<DateTime<Utc>>, diary: &mut Diary) {
        let now = Instant::now();
        if now < *due {
            return;
        }
        pending.push(diary.send_now());
        while *due <= now {
            *due += self.interval;
        }
    }
}
