//! How far the rollups have come.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, GenericClient};

use crate::error::StoreError;
use crate::storage::STORING_LOCK;

/// Rows that come within this time after their hour's end leave no mark.
const GRACE: TimeDelta = TimeDelta::minutes(5);

const READ: &str = "SELECT marking_until, rolled_until, raw_from FROM rollup_frontiers WHERE source = $1";
const NEEDS_MARKING: &str = "SELECT EXISTS (SELECT FROM rollup_frontiers WHERE marking_until < $1)";
const ADVANCE_MARKING: &str = "UPDATE rollup_frontiers SET marking_until = greatest(marking_until, $1)";
const ADVANCE_ROLLED: &str = "UPDATE rollup_frontiers SET rolled_until = $2 WHERE source = $1";

/// A row of `rollup_frontiers`: what its columns mean is told in the migration.
#[derive(Debug, Clone, Copy)]
pub struct Frontier {
    /// Later rows of earlier hours leave marks.
    pub marking_until: DateTime<Utc>,
    /// Earlier hours have rollups.
    pub rolled_until: DateTime<Utc>,
    /// Earlier raw rows have been given up.
    pub raw_from: DateTime<Utc>,
}

/// Reads one.
///
/// # Errors
/// The database's.
pub async fn read(client: &impl GenericClient, source: Source) -> Result<Frontier, StoreError> {
    let row = client.query_one(READ, &[&source.table()]).await?;
    Ok(Frontier { marking_until: row.try_get(0)?, rolled_until: row.try_get(1)?, raw_from: row.try_get(2)? })
}

/// Lets late rows be marked up to the last hour that is over. When it returns, every row that was stored without a mark
/// is visible to whoever looks.
///
/// # Errors
/// Also when storage transactions stood in the way for too long: the lock is not waited for longer than
/// `lock_timeout`, since new ones wait behind it.
pub async fn advance_marking(client: &mut Client, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Ok(until) = (now - GRACE).duration_trunc(TimeDelta::hours(1)) else { return Ok(()) };
    if !client.query_one(NEEDS_MARKING, &[&until]).await?.try_get::<_, bool>(0)? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&STORING_LOCK]).await?;
    transaction.execute(ADVANCE_MARKING, &[&until]).await?;
    transaction.commit().await?;
    tracing::debug!(%until, "late rows are marked");
    Ok(())
}

/// Says that the hours before `until` have their rollups.
///
/// # Errors
/// The database's.
pub async fn advance_rolled(
    client: &impl GenericClient,
    source: Source,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    client.execute(ADVANCE_ROLLED, &[&source.table(), &until]).await?;
    Ok(())
}
