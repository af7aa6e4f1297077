//! The rollup watermark: up to which hour rollups are computed.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, GenericClient};

use crate::error::StoreError;

/// Rows that are stored within this time after their hour's end are not late.
const GRACE: TimeDelta = TimeDelta::minutes(5);

const READ: &str = "SELECT closed_until, rolled_until, raw_from FROM rollup_watermarks WHERE source = $1";
const HAS_OPEN_HOURS: &str = "SELECT EXISTS (SELECT FROM rollup_watermarks WHERE closed_until < $1)";
const CLOSE_HOURS: &str = "UPDATE rollup_watermarks SET closed_until = greatest(closed_until, $1)";
const ADVANCE_ROLLED: &str = "UPDATE rollup_watermarks SET rolled_until = $2 WHERE source = $1";

/// A row of `rollup_watermarks`.
#[derive(Debug, Clone, Copy)]
pub struct RollupWatermark {
    /// Rows that are stored for an earlier hour are late.
    pub closed_until: DateTime<Utc>,
    /// Earlier hours have their rollups.
    pub rolled_until: DateTime<Utc>,
    /// Earlier raw rows are dropped.
    pub raw_from: DateTime<Utc>,
}

pub async fn read(client: &impl GenericClient, source: Source) -> Result<RollupWatermark, StoreError> {
    let row = client.query_one(READ, &[&source.table()]).await?;
    Ok(RollupWatermark { closed_until: row.try_get(0)?, rolled_until: row.try_get(1)?, raw_from: row.try_get(2)? })
}

/// Closes all full hours. When it returns, every row that was stored before and is not late is visible. Fails when
/// storage transactions hold the lock for longer than `lock_timeout`, because new ones wait behind this one.
pub async fn close_hours(client: &mut Client, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(until) = end_of_full_hours(now) else { return Ok(()) };
    if !client.query_one(HAS_OPEN_HOURS, &[&until]).await?.try_get::<_, bool>(0)? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&AdvisoryLock::StoreRows.id()]).await?;
    transaction.execute(CLOSE_HOURS, &[&until]).await?;
    transaction.commit().await?;
    tracing::debug!(%until, "hours closed");
    Ok(())
}

/// The hours before this instant are full, and their rows are stored unless they are late.
fn end_of_full_hours(now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (now - GRACE).duration_trunc(TimeDelta::hours(1)).ok()
}

/// Records that the hours before `until` have their rollups.
pub async fn advance_rolled(
    client: &impl GenericClient,
    source: Source,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    client.execute(ADVANCE_ROLLED, &[&source.table(), &until]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::end_of_full_hours;

    #[test]
    fn an_hour_is_closed_five_minutes_after_its_end() {
        let end = |now: &str| end_of_full_hours(now.parse().unwrap()).map(|end| end.to_rfc3339());
        assert_eq!(end("2026-11-25T12:04:59.999999Z").as_deref(), Some("2026-11-25T11:00:00+00:00"));
        assert_eq!(end("2026-11-25T12:05:00Z").as_deref(), Some("2026-11-25T12:00:00+00:00"));
        assert_eq!(end("2026-11-25T00:00:00Z").as_deref(), Some("2026-11-24T23:00:00+00:00"));
    }
}
