//! The clock's keeper: one of all workers, the one that holds an advisory lock. The lock belongs to the connection on
//! which everything is written, so whoever has lost the lock can write nothing any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::presence::IngestAvailability;
use secrecy::SecretString;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Client;
use uuid::Uuid;

use super::roster::{Change, Roster};
use super::store::Store;
use crate::error::StoreError;
use crate::metrics::{CLOCK, count_status_changes};
use crate::storage::connect;

/// Among the database's advisory locks ("pulso" in ASCII, and a number of our own).
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(482872390514)";
/// The lock must not outlive its holder: a host that vanished is noticed by the server after some 5 s, and so is a
/// process that hangs while its kernel still answers.
const SESSION: &str = "SET application_name = 'pulso-worker clock'; SET statement_timeout = '10s';
    SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
    SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
/// How often another one looks whether the lock is free.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// Wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked who has gone.
const TICK_EVERY: Duration = Duration::from_millis(200);
/// A look takes milliseconds; one that takes so long has lost its database.
const TICK_TIMEOUT: Duration = Duration::from_secs(20);
/// How often all devices are read: it is what finds those that are back.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Reading them takes at most this part of the time, however many they are.
const REFRESH_SHARE: u32 = 50;
/// How often it is looked for workers that have gone.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// How often old runs are put together.
const MERGE_EVERY: Duration = Duration::from_secs(600);

/// Keeps the clock, or waits until it is this worker's turn; for ever.
pub async fn keep_clock(url: SecretString, clock: Clock) {
    loop {
        if let Err(error) = take_turn(&url, clock).await {
            tracing::warn!(%error, "the offline clock is not kept here; trying again");
        }
        CLOCK.leads.set(0.0);
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn take_turn(url: &SecretString, clock: Clock) -> Result<(), StoreError> {
    let client = connect(url).await?;
    client.batch_execute(SESSION).await?;
    while !within_time(try_lock(&client)).await? {
        tokio::time::sleep(TRY_EVERY).await;
    }
    let mut keeper = within_time(Keeper::start(client, clock)).await?;
    tracing::info!("keeping the offline clock");
    CLOCK.leads.set(1.0);
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        within_time(keeper.tick()).await?;
        CLOCK.tick.record(started.elapsed().as_secs_f64());
    }
}

async fn try_lock(client: &Client) -> Result<bool, StoreError> {
    Ok(client.query_one(TRY_LOCK, &[]).await?.try_get(0)?)
}

async fn within_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(TICK_TIMEOUT, call).await;
    answered.map_err(|_| StoreError::Transient("no answer in time".into()))?
}

/// Whoever keeps the clock.
struct Keeper {
    store: Store,
    clock: Clock,
    roster: Roster,
    /// The latest instant that was judged: time does not run backwards.
    judged: Option<DateTime<Utc>>,
    refresh_at: Instant,
    /// How long the last reading of all devices took.
    refresh_took: Duration,
    forget_at: Instant,
    merge_at: Instant,
}

impl Keeper {
    async fn start(client: Client, clock: Clock) -> Result<Self, StoreError> {
        let store = Store::prepare(client).await?;
        let started = Instant::now();
        let devices = store.list_devices().await?;
        let refresh_took = started.elapsed();
        let said = store.list_last_changes().await?;
        let roster = Roster::new(&devices, &said);
        // Whoever led before may have judged a later instant than is known here yet: what was said then stays said.
        let gone_at = said.iter().filter(|last| !last.is_online).map(|last| last.at);
        let judged = gone_at.filter(|at| *at <= clock.now()).max();
        let now = Instant::now();
        Ok(Self {
            store,
            clock,
            roster,
            judged,
            refresh_at: now,
            refresh_took,
            forget_at: now,
            merge_at: now + MERGE_EVERY,
        })
    }

    async fn tick(&mut self) -> Result<(), StoreError> {
        self.tidy().await?;
        // What was heard is asked first: what is stored up to then is in what is read of the devices afterwards.
        let (heard_through, deaf) = self.store.hearing().await?;
        let is_fresh = self.refresh_when_due().await?;
        let Some(through) = heard_through.filter(|through| self.judged.is_none_or(|judged| judged <= *through)) else {
            return Ok(());
        };
        CLOCK.heard_lag.set((self.clock.now() - through).as_seconds_f64());
        let hearing = IngestAvailability::as_of(through, deaf);
        let changes = self.judge(&hearing, is_fresh).await?;
        self.judged = Some(through);
        if changes.is_empty() {
            return Ok(());
        }
        self.store.insert_changes(&changes, self.clock.now()).await?;
        self.roster.apply(&changes);
        self.tell(&changes);
        Ok(())
    }

    /// Reads all devices now and then; `true` when it was just done.
    async fn refresh_when_due(&mut self) -> Result<bool, StoreError> {
        let started = Instant::now();
        if started < self.refresh_at {
            return Ok(false);
        }
        self.roster.replace(&self.store.list_devices().await?);
        let took = started.elapsed();
        self.refresh_at = Instant::now() + refresh_after(took, std::mem::replace(&mut self.refresh_took, took));
        Ok(true)
    }

    /// Who has gone or is back. Nobody is called gone on what was read a moment ago.
    async fn judge(&mut self, hearing: &IngestAvailability, is_fresh: bool) -> Result<Vec<Change>, StoreError> {
        let changes = self.roster.judge(hearing);
        let gone: Vec<Uuid> = changes.iter().filter(|change| !change.is_online).map(|change| change.device).collect();
        if is_fresh || gone.is_empty() {
            return Ok(changes);
        }
        self.roster.update(&self.store.find_devices(&gone).await?);
        Ok(self.roster.judge(hearing))
    }

    async fn tidy(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if now >= self.forget_at {
            self.forget_at = now + FORGET_EVERY;
            let forgotten = self.store.forget().await?;
            if forgotten.marks > 0 {
                tracing::info!(workers = forgotten.marks, "workers that have gone are forgotten");
            }
            if forgotten.future > 0 {
                tracing::warn!("a clock was set back; the offline clock begins anew from the present");
                self.judged = None;
            }
        }
        if now >= self.merge_at {
            self.merge_at = now + MERGE_EVERY;
            self.store.merge_runs().await?;
        }
        Ok(())
    }

    fn tell(&self, changes: &[Change]) {
        let back = changes.iter().filter(|change| change.is_online).count();
        let gone = changes.len().saturating_sub(back);
        count_status_changes("online", back);
        count_status_changes("offline", gone);
        CLOCK.online.set(f64::from(u32::try_from(self.roster.count_online()).unwrap_or(u32::MAX)));
        tracing::debug!(back, gone, "status changed");
    }
}

/// How long after reading all devices they are read again, from how long that took and the time before. The quicker of
/// the two counts: one reading that something else held up says nothing of how many devices there are.
fn refresh_after(took: Duration, took_before: Duration) -> Duration {
    REFRESH_EVERY.max(took.min(took_before).saturating_mul(REFRESH_SHARE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{REFRESH_EVERY, refresh_after};

    #[test]
    fn many_devices_are_read_less_often_and_one_reading_that_was_held_up_changes_nothing() {
        let (quick, slow) = (Duration::from_millis(2), Duration::from_millis(600));
        assert_eq!(refresh_after(quick, quick), REFRESH_EVERY);
        assert_eq!(refresh_after(slow, quick), REFRESH_EVERY);
        assert_eq!(refresh_after(quick, slow), REFRESH_EVERY);
        assert_eq!(refresh_after(slow, slow), Duration::from_secs(30));
    }
}
