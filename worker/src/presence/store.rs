//! The offline clock's SQL, on the connection that holds its lock: what a leader writes, it writes while it leads.

use chrono::{DateTime, Utc};
use pulso_shared::presence::OutageWindow;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::roster::{Change, DeviceRow, LastChange};
use crate::error::StoreError;

const HEARING: &str = "SELECT heard_through, deaf_from, deaf_until FROM hearing()";
const DEVICES: &str = "SELECT id, last_seen_at, offline_after_s FROM devices JOIN device_state ON device_id = id";
const SOME_DEVICES: &str =
    "SELECT id, last_seen_at, offline_after_s FROM devices JOIN device_state ON device_id = id WHERE id = ANY ($1)";
/// One look-up by key for each device, and only for whoever takes over.
const LAST_CHANGES: &str = "SELECT id, last.status = 'online', last.at FROM devices CROSS JOIN LATERAL (
    SELECT status, at FROM device_status_changes WHERE device_id = id ORDER BY at DESC LIMIT 1) AS last";
const INSERT_CHANGES: &str = include_str!("insert_changes.sql");
const FORGET_MARKS: &str = include_str!("forget_marks.sql");
const FORGET_FUTURE: &str = include_str!("forget_future.sql");
const MERGE_RUNS: &str = include_str!("merge_runs.sql");

/// The statements of one connection.
pub struct Store {
    client: Client,
    hearing: Statement,
    devices: Statement,
    some_devices: Statement,
    insert_changes: Statement,
}

/// What could be heard: up to when everything is stored, and when nobody listened.
pub type Heard = (Option<DateTime<Utc>>, Vec<OutageWindow>);

impl Store {
    /// Prepares them.
    ///
    /// # Errors
    /// The database's.
    pub async fn prepare(client: Client) -> Result<Self, StoreError> {
        let hearing = client.prepare(HEARING).await?;
        let devices = client.prepare(DEVICES).await?;
        let some_devices = client.prepare(SOME_DEVICES).await?;
        let insert_changes = client.prepare(INSERT_CHANGES).await?;
        Ok(Self { client, hearing, devices, some_devices, insert_changes })
    }

    /// What could be heard.
    ///
    /// # Errors
    /// The database's.
    pub async fn hearing(&self) -> Result<Heard, StoreError> {
        let row = self.client.query_one(&self.hearing, &[]).await?;
        let (from, until): (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) = (row.try_get(1)?, row.try_get(2)?);
        let spans = from.into_iter().zip(until).map(|(from, until)| OutageWindow { from, until });
        Ok((row.try_get(0)?, spans.collect()))
    }

    /// All devices.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.client.query(&self.devices, &[]).await?.iter().map(device).collect()
    }

    /// Some devices, as they are now.
    ///
    /// # Errors
    /// The database's.
    pub async fn find_devices(&self, ids: &[Uuid]) -> Result<Vec<DeviceRow>, StoreError> {
        self.client.query(&self.some_devices, &[&ids]).await?.iter().map(device).collect()
    }

    /// What was last said of each device of which something was said.
    ///
    /// # Errors
    /// The database's.
    pub async fn list_last_changes(&self) -> Result<Vec<LastChange>, StoreError> {
        let rows = self.client.query(LAST_CHANGES, &[]).await?;
        let change =
            |row: &Row| Ok(LastChange { device: row.try_get(0)?, is_online: row.try_get(1)?, at: row.try_get(2)? });
        rows.iter().map(change).collect()
    }

    /// Writes changes.
    ///
    /// # Errors
    /// The database's; then none is written.
    pub async fn insert_changes(&self, changes: &[Change], decided_at: DateTime<Utc>) -> Result<(), StoreError> {
        let device: Vec<_> = changes.iter().map(|change| change.device).collect();
        let at: Vec<_> = changes.iter().map(|change| change.at).collect();
        let status: Vec<_> = changes.iter().map(|change| change.status()).collect();
        let reason: Vec<_> = changes.iter().map(|change| change.reason.as_str()).collect();
        self.client.execute(&self.insert_changes, &[&device, &at, &status, &reason, &decided_at]).await?;
        Ok(())
    }

    /// Forgets workers that have gone, and what a clock that was set back has left in the future.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget(&self) -> Result<Forgotten, StoreError> {
        let marks = self.client.execute(FORGET_MARKS, &[]).await?;
        let future = self.client.execute(FORGET_FUTURE, &[]).await?;
        Ok(Forgotten { marks, future })
    }

    /// Puts old runs together.
    ///
    /// # Errors
    /// The database's.
    pub async fn merge_runs(&self) -> Result<(), StoreError> {
        self.client.execute(MERGE_RUNS, &[]).await?;
        Ok(())
    }
}

/// How much was forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten {
    /// Workers.
    pub marks: u64,
    /// Runs that ended in the future.
    pub future: u64,
}

fn device(row: &Row) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow { id: row.try_get(0)?, last_seen_at: row.try_get(1)?, offline_after_s: row.try_get(2)? })
}
