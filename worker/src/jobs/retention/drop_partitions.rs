//! Drops partitions whose days have all passed. One is first detached, which is quick once its lock is granted, and then
//! dropped as a table of its own: the partitioned tables, which rows are written to, are locked only for the former.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use crate::error::StoreError;
use crate::jobs::partitions::DayRange;

use super::prune;

/// The partitions of a table, including one that was detached by a worker that was then killed.
const PARTITIONS: &str = "
    SELECT relname::text, relispartition FROM pg_class
    WHERE relkind = 'r' AND relname ~ ('^' || $1 || '_[0-9a-z]+(_[0-9]{8})?$')
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1))
    ORDER BY relname";

/// Drops the partitions of `table` that end by `cutoff`, and deletes what is older from the others; fails when a lock is
/// not granted in time.
pub async fn before(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<(), StoreError> {
    for row in client.query(PARTITIONS, &[&table]).await? {
        let (partition, is_attached): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let Some(days) = DayRange::of_partition(table, &partition) else { continue };
        if days.end() <= cutoff {
            drop_partition(client, table, &partition, is_attached).await?;
        } else if is_attached && days.from < cutoff.date_naive() {
            prune::rows_before(client, &partition, cutoff).await?;
        }
    }
    Ok(())
}

async fn drop_partition(client: &Client, table: &str, partition: &str, is_attached: bool) -> Result<(), StoreError> {
    if is_attached {
        client.batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {partition}")).await?;
    }
    client.batch_execute(&format!("DROP TABLE {partition}")).await?;
    tracing::info!(partition, "partition dropped: too old");
    Ok(())
}
