//! Computes rollups, as the one worker that leads.

use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::rollup::Source;
use secrecy::SecretString;
use tokio_postgres::{Client, GenericClient};

use super::{compute, dirty_buckets, rebuild, watermark};
use crate::error::StoreError;
use crate::jobs::leader::try_lead;
use crate::jobs::repeat::repeat;
use crate::storage::connect;

/// How often to look for dirty buckets, for a full hour, and for the lock.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Behind by more than this, hours without rows are skipped by a search for the next row.
const FAR: TimeDelta = TimeDelta::days(1);
/// Most hours in one transaction. Several at once, because looking a device up costs the same for an hour as for a day.
const MOST_HOURS: i32 = 24;
/// A chunk that took less is followed by one of twice as many hours, one that took over twice as long by one of half as
/// many: whoever deletes a device waits for the transaction.
const CHUNK_TIME: Duration = Duration::from_millis(500);
/// The lock timeout, because storage transactions and deletions of devices wait behind a waiting roller, and because
/// PostgreSQL looks for deadlocks after one second: it is always the roller that gives way. No JIT: compiling these
/// statements takes longer than running them.
const SESSION: &str = "SET lock_timeout = '500ms'; SET jit = off";

/// Computes rollups whenever this worker leads, for as long as the process runs.
pub async fn run(url: SecretString, clock: Clock) {
    repeat("rollup", CHECK_EVERY, || lead(&url, clock)).await;
}

/// Waits for the lock, then leads until something fails.
async fn lead(url: &SecretString, clock: Clock) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    client.batch_execute(SESSION).await?;
    while !try_lead(&client, AdvisoryLock::ComputeRollups).await? {
        tokio::time::sleep(CHECK_EVERY).await;
    }
    for source in Source::ALL {
        rebuild::forget_rounded(&mut client, source).await?;
    }
    let mut chunks = Source::ALL.map(|source| (source, ChunkHours::default()));
    loop {
        if !work(&mut client, &mut chunks, clock.now()).await? {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }
}

/// How many hours are rolled up in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChunkHours(i32);

impl Default for ChunkHours {
    fn default() -> Self {
        Self(1)
    }
}

impl ChunkHours {
    /// The end of the chunk that begins at `from`, at most `end`.
    fn end(self, from: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
        end.min(from + TimeDelta::hours(1) * self.0)
    }

    /// The next chunk, after one that took so long.
    fn after(self, took: Duration) -> Self {
        if took < CHUNK_TIME {
            Self(MOST_HOURS.min(self.0.saturating_mul(2)))
        } else if took > CHUNK_TIME * 2 {
            Self((self.0 / 2).max(1))
        } else {
            self
        }
    }
}

/// Some of all the work there is; `false` when there was none.
async fn work(
    client: &mut Client,
    chunks: &mut [(Source, ChunkHours)],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    watermark::close_hours(client, now).await?;
    let mut busy = false;
    for (source, chunk) in chunks {
        let began = Instant::now();
        let rolled = roll_chunk(client, *source, *chunk).await?;
        *chunk = if rolled { chunk.after(began.elapsed()) } else { ChunkHours::default() };
        busy |= rolled;
        busy |= dirty_buckets::recompute(client, *source).await?;
    }
    Ok(busy)
}

/// Rolls up the next closed hours; `false` when there are none.
async fn roll_chunk(client: &mut Client, source: Source, chunk: ChunkHours) -> Result<bool, StoreError> {
    let watermark = watermark::read(client, source).await?;
    let (from, end) = (watermark.rolled_until, watermark.closed_until);
    if from >= end {
        return Ok(false);
    }
    let transaction = client.transaction().await?;
    let mut until = chunk.end(from, end);
    let rollups = compute::insert_hours(&transaction, source, from, until).await?;
    if rollups == 0 && end - until > FAR {
        until = next_hour(&transaction, source, until).await?.map_or(end, |next| next.min(end));
    }
    watermark::advance_rolled(&transaction, source, until).await?;
    transaction.commit().await?;
    tracing::debug!(source = source.table(), %until, rollups, "rolled up");
    Ok(true)
}

/// The next hour from `from` on in which any device has a row. Searches every device's index in every partition, which
/// may take a minute in a database of years, but runs only at the first start and after days without data.
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

    use super::ChunkHours;

    #[test]
    fn a_chunk_grows_while_it_is_quick_and_ends_at_the_last_closed_hour() {
        let (quick, right, slow) = (Duration::from_millis(10), Duration::from_millis(700), Duration::from_secs(2));
        let grown = (0..9).fold(ChunkHours::default(), |chunk, _| chunk.after(quick));
        assert_eq!([grown, grown.after(right), grown.after(slow)], [ChunkHours(24), ChunkHours(24), ChunkHours(12)]);
        assert_eq!(ChunkHours::default().after(slow), ChunkHours(1));
        let (from, end) = ("2026-11-01T05:00:00Z".parse().unwrap(), "2026-11-01T09:00:00Z".parse().unwrap());
        assert_eq!(
            [ChunkHours(2), ChunkHours(12)].map(|chunk| chunk.end(from, end) - from).map(|t| t.num_hours()),
            [2, 4]
        );
    }
}
