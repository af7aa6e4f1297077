//! Deletes what deleted accounts own, some hundred rows at a time: their tasks, and their devices, whose data
//! [`super::purge_devices`] deletes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::error::StoreError;
use crate::jobs::repeat::repeat;
use crate::metrics::PURGE;
use crate::storage::connect;

const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Between two pieces, for batches that wait for the devices' rows.
const PAUSE: Duration = Duration::from_millis(10);
/// The next account, unless another worker purges it.
const NEXT: &str =
    "SELECT owner_id, tokens_until FROM account_purges ORDER BY deleted_at LIMIT 1 FOR UPDATE SKIP LOCKED";
const DELETE_TASKS: &str =
    "DELETE FROM tasks WHERE ctid = ANY (ARRAY(SELECT ctid FROM tasks WHERE owner_id = $1 LIMIT 1000))";
/// Some devices, with their state and secrets. Tokens that do not name their owner are revoked one by one.
const DELETE_DEVICES: &str = "
    WITH gone AS (
        DELETE FROM devices WHERE id = ANY (ARRAY(SELECT id FROM devices WHERE owner_id = $1 ORDER BY id LIMIT 500))
        RETURNING id
    ), purged AS (
        INSERT INTO device_purges (device_id) SELECT id FROM gone ON CONFLICT DO NOTHING
    ), revoked AS (
        INSERT INTO revocations (subject, revoked_at, expires_at) SELECT id, now(), $2 FROM gone WHERE $2 > now()
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM gone";
const DONE: &str = "DELETE FROM account_purges WHERE owner_id = $1";
/// Counted up to a bound: what matters is whether it shrinks.
const PENDING: &str = "SELECT (SELECT count(*) FROM account_purges),
    (SELECT count(*) FROM (SELECT FROM device_purges LIMIT 1000000) AS counted)";

/// Purges deleted accounts for as long as the process runs.
pub async fn run(url: SecretString) {
    repeat("purge of accounts", CHECK_EVERY, || purge_all(&url)).await;
}

async fn purge_all(url: &SecretString) -> Result<(), StoreError> {
    let mut client = connect(url).await?;
    loop {
        while purge_some(&mut client).await? {
            tokio::time::sleep(PAUSE).await;
        }
        let pending = client.query_one(PENDING, &[]).await?;
        PURGE.set_pending(pending.try_get(0)?, pending.try_get(1)?);
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// Deletes some of what one account owns; `false` when there is no account to purge.
async fn purge_some(client: &mut Client) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    let Some(row) = transaction.query_opt(NEXT, &[]).await? else { return Ok(false) };
    let (owner, tokens_until): (Uuid, DateTime<Utc>) = (row.try_get(0)?, row.try_get(1)?);
    let tasks = transaction.execute(DELETE_TASKS, &[&owner]).await?;
    let devices: i64 = transaction.query_one(DELETE_DEVICES, &[&owner, &tokens_until]).await?.try_get(0)?;
    let is_done = tasks == 0 && devices == 0;
    if is_done {
        transaction.execute(DONE, &[&owner]).await?;
    }
    transaction.commit().await?;
    tracing::info!(%owner, tasks, devices, is_done, "deleted account purged");
    Ok(true)
}
