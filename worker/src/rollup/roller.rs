//! The one among all workers that computes rollups.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::rollup::Source;
use secrecy::SecretString;
use tokio_postgres::{Client, GenericClient};

use super::{compute, frontier, marks};
use crate::error::StoreError;
use crate::storage::connect;

/// How often it is looked for marks, for an hour that is over, and whether the present roller has gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Behind by more than this, empty stretches are jumped over instead of walked through hour by hour.
const FAR: TimeDelta = TimeDelta::days(1);
/// The roller waits neither for storage transactions nor for a device's deletion any longer: others wait behind it, and
/// a deadlock is noticed after one second, so that it is always the roller who gives way. No JIT: compiling these
/// statements takes longer than running them.
const PREPARE: &str = "SET lock_timeout = '500ms'; SET jit = off";
/// Who holds it is the roller ("pulsr" in ASCII). It ends with the connection, and nothing is written on another one.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(482872390515)";

/// Computes rollups whenever there is something to compute and no other worker does, for ever.
pub async fn keep_rolled(url: SecretString, clock: Clock) {
    loop {
        if let Err(error) = take_turn(&url, clock).await {
            tracing::warn!(%error, "rollups not computed yet; answers come from raw rows meanwhile");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn take_turn(url: &SecretString, clock: Clock) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    client.batch_execute(PREPARE).await?;
    while !client.query_one(TRY_LOCK, &[]).await?.try_get::<_, bool>(0)? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    loop {
        if !round(&mut client, clock.now()).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A little of everything that there is to do; `false` when there was nothing.
async fn round(client: &mut Client, now: DateTime<Utc>) -> Result<bool, StoreError> {
    frontier::advance_marking(client, now).await?;
    let mut busy = false;
    for source in Source::ALL {
        busy |= roll_hour(client, source).await?;
        busy |= marks::recompute(client, source).await?;
    }
    Ok(busy)
}

/// Rolls up the next hour that is over; `false` when there is none.
async fn roll_hour(client: &mut Client, source: Source) -> Result<bool, StoreError> {
    let frontier = frontier::read(client, source).await?;
    let (from, end) = (frontier.rolled_until, frontier.marking_until);
    if from >= end {
        return Ok(false);
    }
    let transaction = client.transaction().await?;
    let mut until = from + TimeDelta::hours(1);
    let devices = compute::insert_hour(&transaction, source, from, until).await?;
    if devices == 0 && end - until > FAR {
        until = next_hour(&transaction, source, until).await?.map_or(end, |next| next.min(end));
    }
    frontier::advance_rolled(&transaction, source, until).await?;
    transaction.commit().await?;
    tracing::debug!(source = source.table(), %until, devices, "rolled up");
    Ok(true)
}

/// The next hour from `from` on that any device has a row in. Asks every device's index in every partition, which in a
/// database of years may take a minute; it is asked only at the first start and after days without any data.
async fn next_hour(
    client: &impl GenericClient,
    source: Source,
    from: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let (table, newest) = (source.table(), source.newest());
    let sql = format!(
        "SELECT min(next.ts) FROM device_state AS state CROSS JOIN LATERAL (
             SELECT ts FROM {table} WHERE device_id = state.device_id AND ts >= $1 ORDER BY ts LIMIT 1
         ) AS next WHERE state.{newest} >= $1"
    );
    client.batch_execute("SET LOCAL statement_timeout = '30min'").await?;
    let next: Option<DateTime<Utc>> = client.query_one(&sql, &[&from]).await?.try_get(0)?;
    Ok(next.and_then(|next| next.duration_trunc(TimeDelta::hours(1)).ok()))
}
