//! Deletes rows where there is no partition to drop: in chunks, each a transaction of its own, so that nobody waits for
//! a long one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use crate::error::StoreError;

/// Pages scanned in one transaction: 4 MiB, some 20,000 rows.
const CHUNK_PAGES: i64 = 512;
/// Between two chunks, for other users of the disk.
const PAUSE: Duration = Duration::from_millis(10);
const PAGES: &str = "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::bigint";

/// Deletes the rows of `table` from before `cutoff`.
pub async fn rows_before(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<(), StoreError> {
    rows_where(client, table, "old.ts < $1", cutoff).await
}

/// Deletes the rows `old` of `table` for which `condition` holds; its `$1` is `cutoff`. There is no index by time alone,
/// so all pages are scanned.
pub async fn rows_where(
    client: &Client,
    table: &str,
    condition: &str,
    cutoff: DateTime<Utc>,
) -> Result<(), StoreError> {
    let pages: i64 = client.query_one(PAGES, &[&table]).await?.try_get(0)?;
    let (mut start, mut deleted) = (0_i64, 0_u64);
    while start < pages {
        let end = start.saturating_add(CHUNK_PAGES);
        let chunk = format!(
            "DELETE FROM {table} AS old
             WHERE old.ctid >= '({start},0)'::tid AND old.ctid < '({end},0)'::tid AND {condition}"
        );
        deleted = deleted.saturating_add(client.execute(&chunk, &[&cutoff]).await?);
        start = end;
        tokio::time::sleep(PAUSE).await;
    }
    log(table, deleted);
    Ok(())
}

/// Deletes the rollups in `table` from before `cutoff`, one bucket at a time; the oldest is found by index.
pub async fn buckets_before(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<(), StoreError> {
    let oldest = format!("SELECT min(bucket) FROM {table} WHERE bucket < $1");
    // One statement, so one transaction: the revision invalidates cached responses that were computed from these
    // rollups.
    let delete = format!(
        "WITH gone AS (DELETE FROM {table} WHERE bucket = $1 RETURNING bucket),
             counted AS (UPDATE rollup_watermarks SET revision = revision + 1)
         SELECT count(*) FROM gone"
    );
    let mut deleted = 0_u64;
    while let Some(bucket) = client.query_one(&oldest, &[&cutoff]).await?.try_get::<_, Option<DateTime<Utc>>>(0)? {
        let gone: i64 = client.query_one(&delete, &[&bucket]).await?.try_get(0)?;
        deleted = deleted.saturating_add(u64::try_from(gone).unwrap_or_default());
        tokio::time::sleep(PAUSE).await;
    }
    log(table, deleted);
    Ok(())
}

fn log(table: &str, deleted: u64) {
    if deleted > 0 {
        tracing::info!(table, deleted, "rows deleted: too old");
    }
}
