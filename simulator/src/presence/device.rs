//! One device that comes and goes, or stays: it sends, or it is silent by its own plan, and keeps a diary.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::diary::Diary;
use super::sender::Sender;
use crate::draw::Draw;

/// Silences of those who come and go last so much longer than they may, at least.
const BEYOND: Duration = Duration::from_secs(3);
/// How often it is asked whether a device that is back counts as there.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// It is not asked for longer.
const ASK_FOR: Duration = Duration::from_secs(5);

/// A device, and its plan.
pub struct Life {
    /// Sends as this device.
    pub sender: Sender,
    /// How often it sends.
    pub interval: Duration,
    /// How long it may be silent.
    pub offline_after: Duration,
    /// Whether it comes and goes.
    pub flaps: bool,
    /// Until when.
    pub end: Instant,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

impl Life {
    /// Lives it. What is refused is not sent again: that is a silence like any other, and in the diary.
    pub async fn live(self) -> Diary {
        let mut diary = Diary::default();
        let mut draw = Draw::new(self.sender.seed());
        sleep(self.interval.mul_f64(draw.share())).await;
        while Instant::now() < self.end {
            let heartbeats = if self.flaps { draw.between(1, 4) } else { 1 };
            for _ in 0..heartbeats {
                self.send(&mut diary).await;
                sleep_until(self.end.min(Instant::now() + self.interval)).await;
            }
            if self.flaps && Instant::now() < self.end {
                self.be_silent(&mut diary, draw.share()).await;
            }
        }
        diary
    }

    /// Is silent for longer than it may be, and comes back.
    async fn be_silent(&self, diary: &mut Diary, part: f64) {
        let silence = self.offline_after + BEYOND + self.offline_after.mul_f64(part);
        sleep_until(self.end.min(Instant::now() + silence)).await;
        if Instant::now() < self.end
            && self.send(diary).await
            && let Some(after) = self.until_online().await
        {
            diary.back_after.push(after);
        }
    }

    /// Whether it was accepted.
    async fn send(&self, diary: &mut Diary) -> bool {
        let pending = vec![diary.send_now()];
        let accepted = self.sender.send(&pending).await.is_ok();
        if accepted {
            diary.accept(pending);
        }
        accepted
    }

    /// How long it takes until it counts as there; at most [`ASK_FOR`]. `None` when nobody says.
    async fn until_online(&self) -> Option<Duration> {
        let asked_at = Instant::now();
        while asked_at.elapsed() < ASK_FOR {
            let health: Health = self.sender.ask_as_owner("/api/v1/health").await?;
            if health.status == "online" {
                return Some(asked_at.elapsed());
            }
            sleep(ASK_EVERY).await;
        }
        Some(ASK_FOR)
    }
}
