//! Decides what is too old, and drops it.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::rollup::Source;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::{drop_partitions, prune};
use crate::error::StoreError;
use crate::jobs::leader::try_lead;
use crate::jobs::repeat::repeat;
use crate::storage::connect;

const CHECK_EVERY: Duration = Duration::from_secs(3_600);
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// A row that the API accepted at the limit may wait in the queue: it must still find its day, and be rolled up with
/// all rows of that day.
const GRACE: TimeDelta = TimeDelta::days(1);
/// Whoever waits for a table's lock makes all writers wait behind it.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '80ms'";
const ROLLUPS: [&str; 3] = ["heartbeats_hourly", "readings_hourly", "readings_minutely"];
const EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";
/// Raw rows are dropped only when they are rolled up and none of their buckets is dirty. `raw_from` tells readers that
/// before it there are only rollups.
const MOVE_RAW_FROM: &str = "
    UPDATE rollup_watermarks SET raw_from = greatest(raw_from, $2)
    WHERE source = $1 AND rolled_until >= $2
        AND NOT EXISTS (SELECT FROM dirty_buckets WHERE source = $1 AND hour < $2)";

/// How long rows are kept; `None`: without limit.
#[derive(Debug, Clone, Copy)]
pub struct RetentionPolicy {
    /// Heartbeats and readings, in days.
    pub raw_days: Option<NonZeroU32>,
    /// Rollups, in days.
    pub rollup_days: Option<NonZeroU32>,
}

/// Rows before these instants are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cutoffs {
    raw: Option<DateTime<Utc>>,
    rollups: Option<DateTime<Utc>>,
}

impl RetentionPolicy {
    /// The first instant whose heartbeats and readings are kept; `None`: all are.
    pub fn raw_from(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.cutoffs(now).raw
    }

    fn cutoffs(self, now: DateTime<Utc>) -> Cutoffs {
        Cutoffs { raw: cutoff(now, self.raw_days), rollups: cutoff(now, self.rollup_days) }
    }
}

/// The start of the first day that is kept; `None`: all are.
fn cutoff(now: DateTime<Utc>, days: Option<NonZeroU32>) -> Option<DateTime<Utc>> {
    let kept = TimeDelta::try_days(i64::from(days?.get()))?.checked_add(&GRACE)?;
    let first = now.checked_sub_signed(kept)?.date_naive();
    Some(first.and_hms_opt(0, 0, 0)?.and_utc())
}

/// Drops what is too old, for as long as the process runs.
pub async fn run(url: SecretString, policy: RetentionPolicy, clock: Clock) {
    repeat("expiry", RETRY_AFTER, || keep_applied(&url, policy, clock)).await;
}

async fn keep_applied(url: &SecretString, policy: RetentionPolicy, clock: Clock) -> Result<(), StoreError> {
    let mut done = Cutoffs { raw: None, rollups: None };
    loop {
        let wanted = policy.cutoffs(clock.now());
        let pause = if wanted == done || apply(url, wanted).await? {
            done = wanted;
            CHECK_EVERY
        } else {
            RETRY_AFTER
        };
        tokio::time::sleep(pause).await;
    }
}

/// `false` when something has to wait: for another worker that does the same, or for the rollups.
async fn apply(url: &SecretString, wanted: Cutoffs) -> Result<bool, StoreError> {
    let client = connect(url).await?;
    client.batch_execute(LOCK_TIMEOUT).await?;
    if !try_lead(&client, AdvisoryLock::ApplyRetention).await? {
        return Ok(false);
    }
    let mut all = true;
    for (table, cutoff) in Source::ALL.into_iter().filter_map(|source| Some((source.table(), wanted.raw?))) {
        if may_drop_raw(&client, table, cutoff).await? {
            drop_partitions::before(&client, table, cutoff).await?;
            prune::rows_before(&client, &format!("{table}_default"), cutoff).await?;
        } else {
            tracing::info!(table, %cutoff, "raw rows not dropped: not rolled up yet");
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

/// Whether the raw rows before `cutoff` may be dropped; readers then know that they are.
async fn may_drop_raw(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<bool, StoreError> {
    if !exists(client, "rollup_watermarks").await? {
        return Ok(true);
    }
    Ok(client.execute(MOVE_RAW_FROM, &[&table, &cutoff]).await? == 1)
}

async fn exists(client: &Client, table: &str) -> Result<bool, StoreError> {
    Ok(client.query_one(EXISTS, &[&table]).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use chrono::TimeDelta;
    use pulso_shared::clock::Clock;

    use super::{RetentionPolicy, cutoff};

    #[test]
    fn the_first_day_that_is_kept_is_whole_and_a_day_older_than_required() {
        let now = "2026-11-25T08:00:00Z".parse().unwrap();
        let first = |days| cutoff(now, NonZeroU32::new(days)).map(|first| first.to_rfc3339());
        assert_eq!(first(30), Some("2026-10-25T00:00:00+00:00".to_owned()));
        assert_eq!(first(1), Some("2026-11-23T00:00:00+00:00".to_owned()));
        assert_eq!(cutoff(now, None), None);
        assert_eq!(first(u32::MAX), None, "longer than time itself");
    }
    #[test]
    fn each_day_something_else_becomes_too_old_and_only_then() {
        let (clock, hand) = Clock::manual("2026-11-25T23:59:59.999999Z".parse().unwrap());
        let policy = RetentionPolicy { raw_days: NonZeroU32::new(30), rollup_days: None };
        let before = policy.cutoffs(clock.now());
        assert_eq!(before, policy.cutoffs(clock.now()));
        hand.advance(TimeDelta::microseconds(1));
        let after = policy.cutoffs(clock.now());
        assert_eq!(after.raw.zip(before.raw).map(|(after, before)| after - before), Some(TimeDelta::days(1)));
        assert_eq!((before.rollups, after.rollups), (None, None), "without a setting nothing is too old");
    }
}
