//! One device's life: it sends, or it is silent by its own plan, and keeps a diary of what was accepted.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::draw::Draw;
use crate::load_command::HEARTBEATS;

/// Silences of those who come and go last so much longer than they may, at least.
const BEYOND: Duration = Duration::from_secs(3);
/// How often it is asked whether a device that is back counts as there.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// It is not asked for longer.
const ASK_FOR: Duration = Duration::from_secs(5);

/// What a device knows of itself.
#[derive(Debug, Default)]
pub struct Diary {
    /// The timestamps of the heartbeats that got a 2xx, in order.
    pub accepted: Vec<DateTime<Utc>>,
    /// From the 2xx of its first heartbeat after a silence until it was said to be online.
    pub back_after: Vec<Duration>,
}

/// A device, and its plan.
pub struct Life {
    /// Makes the calls.
    pub account: Arc<Account>,
    /// Which device.
    pub id: DeviceId,
    /// Its place among them.
    pub index: usize,
    /// Its token.
    pub token: String,
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
    /// Lives it.
    pub async fn live(self) -> Diary {
        let mut diary = Diary::default();
        let mut draw = Draw::new(u64::try_from(self.index).unwrap_or(0));
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
        if Instant::now() >= self.end {
            return;
        }
        let before = diary.accepted.len();
        self.send(diary).await;
        if diary.accepted.len() > before
            && let Some(after) = self.until_online().await
        {
            diary.back_after.push(after);
        }
    }

    async fn send(&self, diary: &mut Diary) {
        let at = Clock.now();
        let body = json!({ "timestamp": at.to_rfc3339_opts(SecondsFormat::Micros, true) });
        let address = self.account.client.address(HEARTBEATS);
        let request = self.account.client.http().post(address).bearer_auth(&self.token).json(&body);
        if request.send().await.is_ok_and(|response| response.status().is_success()) {
            diary.accepted.push(at);
        }
    }

    /// How long it takes until it counts as there.
    async fn until_online(&self) -> Option<Duration> {
        let asked_at = Instant::now();
        let address = self.account.client.address(&format!("/api/v1/health/{}", self.id));
        while asked_at.elapsed() < ASK_FOR {
            let request = self.account.client.http().get(&address).bearer_auth(self.account.token());
            let health = request.send().await.ok()?.json::<Health>().await.ok()?;
            if health.status == "online" {
                return Some(asked_at.elapsed());
            }
            sleep(ASK_EVERY).await;
        }
        Some(ASK_FOR)
    }
}
