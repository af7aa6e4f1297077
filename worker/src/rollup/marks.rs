//! Hours that late rows have changed: their marks taken away, and they computed again.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::compute::{self, Hours};
use super::frontier::{self, Frontier};
use crate::error::StoreError;

/// Marks taken in one transaction: about a second's work where each is of another hour and its device sends every ten
/// seconds. Many are often of one hour: a device that sends its backlog reading by reading leaves one each.
const CHUNK: i64 = 1_000;

const TAKE: &str = "DELETE FROM rollup_marks WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM rollup_marks WHERE source = $1 AND hour < $2 LIMIT $3
    )) RETURNING device_id, hour";

/// Says, in the transaction that takes marks away, that answers about hours before `rolled_until` may be others now.
const COUNT_REVISION: &str = "UPDATE rollup_frontiers SET revision = revision + 1 WHERE source = $1";

/// Takes some marks away and computes their hours again; `false` when there are none.
///
/// # Errors
/// The database's.
pub async fn recompute(client: &mut Client, source: Source) -> Result<bool, StoreError> {
    let frontier = frontier::read(client, source).await?;
    let transaction = client.transaction().await?;
    let Some(hours) = take(&transaction, source, frontier).await? else { return Ok(false) };
    compute::replace_hours(&transaction, source, &hours).await?;
    // Last: whoever gives up raw rows or deletes old rollups updates the same row, and waits from here to the commit.
    transaction.execute(COUNT_REVISION, &[&source.table()]).await?;
    transaction.commit().await?;
    tracing::debug!(source = source.table(), hours = hours.hours.len(), "late rows rolled up");
    Ok(true)
}

/// Takes marks away; `None` when there are none. What lies before `raw_from` is only taken away: there are no raw rows
/// to compute it from.
async fn take(transaction: &Transaction<'_>, source: Source, frontier: Frontier) -> Result<Option<Hours>, StoreError> {
    let rows = transaction.query(TAKE, &[&source.table(), &frontier.rolled_until, &CHUNK]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut taken = BTreeSet::new();
    for row in rows {
        let (device, hour): (Uuid, DateTime<Utc>) = (row.try_get(0)?, row.try_get(1)?);
        if hour >= frontier.raw_from {
            taken.insert((device, hour));
        }
    }
    let (devices, hours) = taken.into_iter().unzip();
    Ok(Some(Hours { devices, hours }))
}
