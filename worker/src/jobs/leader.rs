//! Jobs that one worker at a time does: the one that holds the job's advisory lock.
//!
//! The lock belongs to the connection on which the job writes, so a worker that has lost the lock cannot write any
//! more.

use pulso_shared::locks::AdvisoryLock;
use tokio_postgres::Client;

use crate::error::StoreError;

/// Takes the lock if nobody else holds it. It is released with the connection.
pub async fn try_lead(client: &Client, lock: AdvisoryLock) -> Result<bool, StoreError> {
    Ok(client.query_one("SELECT pg_try_advisory_lock($1)", &[&lock.id()]).await?.try_get(0)?)
}
