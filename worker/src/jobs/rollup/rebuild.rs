//! Computes all rollups anew that an earlier version has computed with rounded sums.

use chrono::{DateTime, Utc};
use pulso_shared::rollup::Source;
use tokio_postgres::Client;

use crate::error::StoreError;

const ARE_EXACT: &str = "SELECT sums_are_exact FROM rollup_watermarks WHERE source = $1";
/// Locked until the end: retention must not drop raw rows meanwhile.
const LOCK: &str = "SELECT raw_from FROM rollup_watermarks WHERE source = $1 FOR UPDATE";
/// Raw rows answer for all hours then, until their rollups are there again.
const FORGET: &str = "UPDATE rollup_watermarks
    SET sums_are_exact = true, rolled_until = least(rolled_until, raw_from), revision = revision + 1 WHERE source = $1";

/// Deletes the rollups that are not exact, where the raw rows are there to compute them from. Only the worker that leads may
/// do so: any other one would move `rolled_until` on from where it was.
pub async fn forget_rounded(client: &mut Client, source: Source) -> Result<(), StoreError> {
    if client.query_one(ARE_EXACT, &[&source.table()]).await?.try_get(0)? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL statement_timeout = '30min'").await?;
    let raw_from: DateTime<Utc> = transaction.query_one(LOCK, &[&source.table()]).await?.try_get(0)?;
    for rollups in [Some(source.hourly()), source.minutely()].into_iter().flatten() {
        transaction.execute(&format!("DELETE FROM {rollups} WHERE bucket >= $1"), &[&raw_from]).await?;
    }
    transaction.execute(FORGET, &[&source.table()]).await?;
    transaction.commit().await?;
    tracing::info!(source = source.table(), "rollups of an earlier version are computed anew");
    Ok(())
}
