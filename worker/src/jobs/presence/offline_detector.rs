//! The offline detector: one worker, the leader, judges all devices several times a second as of the watermark.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::presence::IngestAvailability;
use secrecy::SecretString;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Client;
use uuid::Uuid;

use super::status_tracker::{Change, DeviceStatusTracker};
use super::store::{AvailabilityRow, PresenceStore};
use crate::error::StoreError;
use crate::jobs::leader::try_lead;
use crate::jobs::repeat::repeat;
use crate::metrics::{OFFLINE_DETECTOR, count_status_changes};
use crate::storage::connect;

/// The lock must not outlive its holder: the server notices within about 5 s when the host has vanished, or when the
/// process hangs while its kernel still answers.
const SESSION: &str = "SET application_name = 'pulso-worker offline detector'; SET statement_timeout = '10s';
    SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
    SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
const TRY_LOCK_EVERY: Duration = Duration::from_millis(500);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const TICK_EVERY: Duration = Duration::from_millis(200);
/// A tick takes milliseconds; one that takes this long has lost its database.
const TICK_TIMEOUT: Duration = Duration::from_secs(20);
/// How often all devices are read, which is what finds those that came back.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// At most this part of the time is spent on reading them, however many they are.
const REFRESH_SHARE: u32 = 50;
const CLEAN_UP_EVERY: Duration = Duration::from_secs(1);
const MERGE_EVERY: Duration = Duration::from_secs(600);

/// Detects offline devices whenever this worker leads, for as long as the process runs.
pub async fn run(url: SecretString, clock: Clock) {
    repeat("offline detector", RETRY_AFTER, || lead(&url, clock)).await;
}

/// Waits for the lock, then leads until something fails.
async fn lead(url: &SecretString, clock: Clock) -> Result<(), StoreError> {
    let client = connect(url).await?;
    client.batch_execute(SESSION).await?;
    while !within_time(try_lead(&client, AdvisoryLock::DetectOffline)).await? {
        tokio::time::sleep(TRY_LOCK_EVERY).await;
    }
    let mut detector = within_time(OfflineDetector::start(client, clock)).await?;
    let _leading = Leading::begin();
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        within_time(detector.tick()).await?;
        OFFLINE_DETECTOR.tick.record(started.elapsed().as_secs_f64());
    }
}

async fn within_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(TICK_TIMEOUT, call).await;
    answered.map_err(|_| StoreError::Transient("no answer in time".into()))?
}

/// Shows in log and metrics that this worker leads, until it is dropped.
struct Leading;

impl Leading {
    fn begin() -> Self {
        tracing::info!("offline detector leads");
        OFFLINE_DETECTOR.leader.set(1.0);
        Self
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        OFFLINE_DETECTOR.leader.set(0.0);
    }
}

/// The leader.
struct OfflineDetector {
    store: PresenceStore,
    clock: Clock,
    tracker: DeviceStatusTracker,
    /// The latest instant as of which devices were judged; it never moves backwards.
    judged: Option<DateTime<Utc>>,
    refresh_at: Instant,
    /// How long the last refresh took.
    refresh_took: Duration,
    clean_up_at: Instant,
    merge_at: Instant,
}

impl OfflineDetector {
    async fn start(client: Client, clock: Clock) -> Result<Self, StoreError> {
        let store = PresenceStore::prepare(client).await?;
        let started = Instant::now();
        let devices = store.list_devices().await?;
        let refresh_took = started.elapsed();
        let last_changes = store.list_last_changes().await?;
        let tracker = DeviceStatusTracker::new(&devices, &last_changes);
        // The leader before may have judged a later instant than the watermark that is known here: its changes stand.
        let offline_at = last_changes.iter().filter(|last| !last.is_online).map(|last| last.at);
        let judged = offline_at.filter(|at| *at <= clock.now()).max();
        let now = Instant::now();
        Ok(Self {
            store,
            clock,
            tracker,
            judged,
            refresh_at: now,
            refresh_took,
            clean_up_at: now,
            merge_at: now + MERGE_EVERY,
        })
    }

    async fn tick(&mut self) -> Result<(), StoreError> {
        self.clean_up().await?;
        // The watermark is read first: the devices, read after it, then include all that is stored up to it.
        let AvailabilityRow { stored_through, outages } = self.store.find_availability().await?;
        let is_fresh = self.refresh_when_due().await?;
        let Some(through) = stored_through.filter(|through| self.judged.is_none_or(|judged| judged <= *through)) else {
            return Ok(());
        };
        OFFLINE_DETECTOR.watermark_lag.set((self.clock.now() - through).as_seconds_f64());
        let availability = IngestAvailability::as_of(through, outages);
        let changes = self.judge(&availability, is_fresh).await?;
        self.judged = Some(through);
        if changes.is_empty() {
            return Ok(());
        }
        self.store.insert_changes(&changes, self.clock.now()).await?;
        self.tracker.apply(&changes);
        self.count(&changes);
        Ok(())
    }

    /// Reads all devices when it is time to; `true` when it was done.
    async fn refresh_when_due(&mut self) -> Result<bool, StoreError> {
        let started = Instant::now();
        if started < self.refresh_at {
            return Ok(false);
        }
        self.tracker.replace(&self.store.list_devices().await?);
        let took = started.elapsed();
        self.refresh_at = Instant::now() + refresh_after(took, std::mem::replace(&mut self.refresh_took, took));
        Ok(true)
    }

    /// The devices whose status changed. Before a device goes offline its row is read again, unless all were just read.
    async fn judge(&mut self, availability: &IngestAvailability, is_fresh: bool) -> Result<Vec<Change>, StoreError> {
        let changes = self.tracker.judge(availability);
        let offline: Vec<Uuid> =
            changes.iter().filter(|change| !change.is_online).map(|change| change.device).collect();
        if is_fresh || offline.is_empty() {
            return Ok(changes);
        }
        self.tracker.update(&self.store.find_devices(&offline).await?);
        Ok(self.tracker.judge(availability))
    }

    async fn clean_up(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if now >= self.clean_up_at {
            self.clean_up_at = now + CLEAN_UP_EVERY;
            let workers = self.store.delete_gone_workers().await?;
            if workers > 0 {
                tracing::info!(workers, "watermarks of gone workers deleted");
            }
            if self.store.truncate_future_runs().await? > 0 {
                tracing::warn!("a clock was set back: offline detection restarts from the present");
                self.judged = None;
            }
        }
        if now >= self.merge_at {
            self.merge_at = now + MERGE_EVERY;
            self.store.merge_runs().await?;
        }
        Ok(())
    }

    fn count(&self, changes: &[Change]) {
        let online = changes.iter().filter(|change| change.is_online).count();
        let offline = changes.len().saturating_sub(online);
        count_status_changes("online", online);
        count_status_changes("offline", offline);
        OFFLINE_DETECTOR.online.set(f64::from(u32::try_from(self.tracker.count_online()).unwrap_or(u32::MAX)));
        tracing::debug!(online, offline, "device status changed");
    }
}

/// The time until the next refresh, from how long the last two took. The quicker one counts: a single refresh that
/// something else held up says nothing about the number of devices.
fn refresh_after(took: Duration, took_before: Duration) -> Duration {
    REFRESH_EVERY.max(took.min(took_before).saturating_mul(REFRESH_SHARE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{REFRESH_EVERY, refresh_after};

    #[test]
    fn many_devices_are_refreshed_less_often_and_one_refresh_that_was_held_up_changes_nothing() {
        let (quick, slow) = (Duration::from_millis(2), Duration::from_millis(600));
        assert_eq!(refresh_after(quick, quick), REFRESH_EVERY);
        assert_eq!(refresh_after(slow, quick), REFRESH_EVERY);
        assert_eq!(refresh_after(quick, slow), REFRESH_EVERY);
        assert_eq!(refresh_after(slow, slow), Duration::from_secs(30));
    }
}
