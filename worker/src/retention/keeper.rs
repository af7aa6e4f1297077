//! Decides what is too old, and has it dropped.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::{partitions, prune};
use crate::error::StoreError;
use crate::storage::{connect, partitions::TABLES};

/// How often it is looked whether a day has become too old.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// How soon what could not be done is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// What the API accepted at the limit may wait in the queue for a while: it must find its day, and be rolled up from
/// all of that day's rows.
const GRACE: TimeDelta = TimeDelta::days(1);
/// Whoever waits for a lock on a table makes everybody behind wait too: not longer than this.
const PREPARE: &str = "SET lock_timeout = '300ms'";
/// Who holds it does it ("pulst" in ASCII); it ends with the connection.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(482872390516)";
/// Rollups, which have a `bucket` each.
const ROLLUPS: [&str; 3] = ["heartbeats_hourly", "readings_hourly", "readings_minutely"];
const EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";
/// Raw rows are given up only when they have been rolled up, and when no late one of them is still to be. From then on
/// `raw_from` tells everybody that the rollups are all there is.
const GIVE_UP_RAW: &str = "
    UPDATE rollup_frontiers SET raw_from = greatest(raw_from, $2)
    WHERE source = $1 AND rolled_until >= $2
        AND NOT EXISTS (SELECT FROM rollup_marks WHERE source = $1 AND hour < $2)";

/// How long things are kept; `None` keeps them for ever.
#[derive(Debug, Clone, Copy)]
pub struct RetentionPolicy {
    /// Heartbeats and readings, days.
    pub raw_days: Option<NonZeroU32>,
    /// Their rollups, days.
    pub rollup_days: Option<NonZeroU32>,
}

/// What is older goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cutoffs {
    raw: Option<DateTime<Utc>>,
    rollups: Option<DateTime<Utc>>,
}

impl RetentionPolicy {
    fn cutoffs(self, now: DateTime<Utc>) -> Cutoffs {
        Cutoffs { raw: cutoff(now, self.raw_days), rollups: cutoff(now, self.rollup_days) }
    }
}

/// The start of the first day that is kept; `None` where all are.
fn cutoff(now: DateTime<Utc>, days: Option<NonZeroU32>) -> Option<DateTime<Utc>> {
    let kept = TimeDelta::try_days(i64::from(days?.get()))?.checked_add(&GRACE)?;
    let first = now.checked_sub_signed(kept)?.date_naive();
    Some(first.and_hms_opt(0, 0, 0)?.and_utc())
}

/// Drops what is too old whenever a day has become so, for ever.
pub async fn keep(url: SecretString, policy: RetentionPolicy, clock: Clock) {
    let mut done = Cutoffs { raw: None, rollups: None };
    loop {
        let wanted = policy.cutoffs(clock.now());
        let pause = match apply(&url, wanted, done).await {
            Ok(true) => {
                done = wanted;
                LOOK_EVERY
            }
            Ok(false) => RETRY_AFTER,
            Err(error) => {
                tracing::warn!(%error, "not all that is too old has been dropped; trying again");
                RETRY_AFTER
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// `false` when something has to wait: for another worker that is at it, or for the rollups.
async fn apply(url: &SecretString, wanted: Cutoffs, done: Cutoffs) -> Result<bool, StoreError> {
    if wanted == done {
        return Ok(true);
    }
    let client = connect(url).await?;
    client.batch_execute(PREPARE).await?;
    if !client.query_one(TRY_LOCK, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    let mut all = true;
    for (table, cutoff) in TABLES.into_iter().filter_map(|table| Some((table, wanted.raw?))) {
        if give_up_raw(&client, table, cutoff).await? {
            partitions::drop_before(&client, table, cutoff).await?;
            prune::rows_before(&client, &format!("{table}_default"), cutoff).await?;
        } else {
            tracing::info!(table, %cutoff, "not rolled up yet, and so not dropped");
            all = false;
        }
    }
    for (table, cutoff) in ROLLUPS.into_iter().filter_map(|table| Some((table, wanted.rollups?))) {
        if exists(&client, table).await? {
            prune::buckets_before(&client, table, cutoff).await?;
        }
    }
    Ok(all)
}

/// Whether the raw rows before `cutoff` may go.
async fn give_up_raw(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<bool, StoreError> {
    if !exists(client, "rollup_frontiers").await? {
        return Ok(true);
    }
    Ok(client.execute(GIVE_UP_RAW, &[&table, &cutoff]).await? == 1)
}

async fn exists(client: &Client, table: &str) -> Result<bool, StoreError> {
    Ok(client.query_one(EXISTS, &[&table]).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::cutoff;

    #[test]
    fn the_first_day_that_stays_is_whole_and_a_day_older_than_it_has_to_be() {
        let now = "2026-11-25T08:00:00Z".parse().unwrap();
        let first = |days| cutoff(now, NonZeroU32::new(days)).map(|first| first.to_rfc3339());
        assert_eq!(first(30), Some("2026-10-25T00:00:00+00:00".to_owned()));
        assert_eq!(first(1), Some("2026-11-23T00:00:00+00:00".to_owned()));
        assert_eq!(cutoff(now, None), None);
        assert_eq!(first(u32::MAX), None, "longer than time itself");
    }
}
