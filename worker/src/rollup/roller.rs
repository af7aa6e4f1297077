//! The one among all workers that computes rollups.

use std::time::{Duration, Instant};

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
/// Of a history that waits to be rolled up, so many hours are computed at once at most: looking a device up costs the same
/// for an hour as for a day.
const LONGEST_STRETCH: i32 = 24;
/// A stretch that took less is followed by one of twice as many hours, one that took twice as long by half of them:
/// whoever deletes a device waits for the transaction.
const STRETCH_TIME: Duration = Duration::from_millis(500);
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
    let mut stretches = Source::ALL.map(|source| (source, Stretch::default()));
    loop {
        if !round(&mut client, &mut stretches, clock.now()).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// How many hours are rolled up at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch(i32);

impl Default for Stretch {
    fn default() -> Self {
        Self(1)
    }
}

impl Stretch {
    /// The end of the stretch that begins at `from`.
    fn end(self, from: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
        end.min(from + TimeDelta::hours(1) * self.0)
    }

    /// The next one, after one that took so long.
    fn after(self, took: Duration) -> Self {
        if took < STRETCH_TIME {
            Self(LONGEST_STRETCH.min(self.0.saturating_mul(2)))
        } else if took > STRETCH_TIME * 2 {
            Self((self.0 / 2).max(1))
        } else {
            self
        }
    }
}

/// A little of everything that there is to do; `false` when there was nothing.
async fn round(
    client: &mut Client,
    stretches: &mut [(Source, Stretch)],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    frontier::advance_marking(client, now).await?;
    let mut busy = false;
    for (source, stretch) in stretches {
        let began = Instant::now();
        let rolled = roll_stretch(client, *source, *stretch).await?;
        *stretch = if rolled { stretch.after(began.elapsed()) } else { Stretch::default() };
        busy |= rolled;
        busy |= marks::recompute(client, *source).await?;
    }
    Ok(busy)
}

/// Rolls up the next hours that are over; `false` when there are none.
async fn roll_stretch(client: &mut Client, source: Source, stretch: Stretch) -> Result<bool, StoreError> {
    let frontier = frontier::read(client, source).await?;
    let (from, end) = (frontier.rolled_until, frontier.marking_until);
    if from >= end {
        return Ok(false);
    }
    let transaction = client.transaction().await?;
    let mut until = stretch.end(from, end);
    let rollups = compute::insert_hours(&transaction, source, from, until).await?;
    if rollups == 0 && end - until > FAR {
        until = next_hour(&transaction, source, until).await?.map_or(end, |next| next.min(end));
    }
    frontier::advance_rolled(&transaction, source, until).await?;
    transaction.commit().await?;
    tracing::debug!(source = source.table(), %until, rollups, "rolled up");
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stretch;

    #[test]
    fn a_stretch_grows_while_it_is_quick_and_ends_with_what_is_over() {
        let (quick, right, slow) = (Duration::from_millis(10), Duration::from_millis(700), Duration::from_secs(2));
        let grown = (0..9).fold(Stretch::default(), |stretch, _| stretch.after(quick));
        assert_eq!([grown, grown.after(right), grown.after(slow)], [Stretch(24), Stretch(24), Stretch(12)]);
        assert_eq!(Stretch::default().after(slow), Stretch(1));
        let (from, end) = ("2026-11-01T05:00:00Z".parse().unwrap(), "2026-11-01T09:00:00Z".parse().unwrap());
        assert_eq!(
            [Stretch(2), Stretch(12)].map(|stretch| stretch.end(from, end) - from).map(|t| t.num_hours()),
            [2, 4]
        );
    }
}
