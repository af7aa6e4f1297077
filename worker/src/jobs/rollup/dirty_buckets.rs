//! Computes again the hours that late rows have made dirty.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::compute::{self, Hours};
use super::watermark::{self, RollupWatermark};
use crate::error::StoreError;

/// Rows of `dirty_buckets` in one transaction: about a second's work when each is of another hour and its device sends
/// every ten seconds. Many are often of one hour: a device that sends its backlog reading by reading adds one each
/// time.
const CHUNK: i64 = 1_000;

const TAKE: &str = "DELETE FROM dirty_buckets WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM dirty_buckets WHERE source = $1 AND hour < $2 LIMIT $3
    )) RETURNING device_id, hour";

/// Invalidates cached responses about hours before `rolled_until`.
const COUNT_REVISION: &str = "UPDATE rollup_watermarks SET revision = revision + 1 WHERE source = $1";

/// Deletes some dirty buckets and computes them again; `false` when there are none.
pub async fn recompute(client: &mut Client, source: Source) -> Result<bool, StoreError> {
    let watermark = watermark::read(client, source).await?;
    let transaction = client.transaction().await?;
    let Some(hours) = take(&transaction, source, watermark).await? else { return Ok(false) };
    compute::replace_hours(&transaction, source, &hours).await?;
    // Last, because retention updates the same row, and waits from here to the commit.
    transaction.execute(COUNT_REVISION, &[&source.table()]).await?;
    transaction.commit().await?;
    tracing::debug!(source = source.table(), hours = hours.hours.len(), "late rows rolled up");
    Ok(true)
}

/// Deletes dirty buckets; `None` when there are none. Those before `raw_from` are only deleted: there are no raw rows
/// to compute them from.
async fn take(
    transaction: &Transaction<'_>,
    source: Source,
    watermark: RollupWatermark,
) -> Result<Option<Hours>, StoreError> {
    let rows = transaction.query(TAKE, &[&source.table(), &watermark.rolled_until, &CHUNK]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut taken = BTreeSet::new();
    for row in rows {
        let (device, hour): (Uuid, DateTime<Utc>) = (row.try_get(0)?, row.try_get(1)?);
        if hour >= watermark.raw_from {
            taken.insert((device, hour));
        }
    }
    let (devices, hours) = taken.into_iter().unzip();
    Ok(Some(Hours { devices, hours }))
}
