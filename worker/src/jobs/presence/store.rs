//! The offline detector's SQL, on the connection that holds its lock.

use chrono::{DateTime, Utc};
use pulso_shared::presence::OutageWindow;
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

use super::status_tracker::{Change, DeviceRow, LastChange};
use crate::error::StoreError;

const AVAILABILITY: &str = "SELECT stored_through, outages_from, outages_until FROM ingest_availability()";
const DEVICES: &str = "SELECT id, last_seen_at, offline_after_s FROM devices JOIN device_state ON device_id = id";
const SOME_DEVICES: &str =
    "SELECT id, last_seen_at, offline_after_s FROM devices JOIN device_state ON device_id = id WHERE id = ANY ($1)";
/// One look-up by key for each device; run once by each new leader.
const LAST_CHANGES: &str = "SELECT id, last.status = 'online', last.at FROM devices CROSS JOIN LATERAL (
    SELECT status, at FROM device_status_changes WHERE device_id = id ORDER BY at DESC LIMIT 1) AS last";
const INSERT_CHANGES: &str = include_str!("insert_changes.sql");
const DELETE_GONE_WORKERS: &str = include_str!("delete_gone_workers.sql");
const TRUNCATE_FUTURE_RUNS: &str = include_str!("truncate_future_runs.sql");
const MERGE_RUNS: &str = include_str!("merge_runs.sql");

/// A connection and its prepared statements.
pub struct PresenceStore {
    client: Client,
    availability: Statement,
    devices: Statement,
    some_devices: Statement,
    insert_changes: Statement,
}

/// What `ingest_availability()` returns.
pub struct AvailabilityRow {
    /// `None`: there is no watermark yet.
    pub stored_through: Option<DateTime<Utc>>,
    pub outages: Vec<OutageWindow>,
}

impl PresenceStore {
    pub async fn prepare(client: Client) -> Result<Self, StoreError> {
        let availability = client.prepare(AVAILABILITY).await?;
        let devices = client.prepare(DEVICES).await?;
        let some_devices = client.prepare(SOME_DEVICES).await?;
        let insert_changes = client.prepare(INSERT_CHANGES).await?;
        Ok(Self { client, availability, devices, some_devices, insert_changes })
    }

    pub async fn find_availability(&self) -> Result<AvailabilityRow, StoreError> {
        let row = self.client.query_one(&self.availability, &[]).await?;
        let (from, until): (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) = (row.try_get(1)?, row.try_get(2)?);
        let outages = from.into_iter().zip(until).map(|(from, until)| OutageWindow { from, until }).collect();
        Ok(AvailabilityRow { stored_through: row.try_get(0)?, outages })
    }

    pub async fn list_devices(&self) -> Result<Vec<DeviceRow>, StoreError> {
        self.client.query(&self.devices, &[]).await?.iter().map(device).collect()
    }

    pub async fn find_devices(&self, ids: &[Uuid]) -> Result<Vec<DeviceRow>, StoreError> {
        self.client.query(&self.some_devices, &[&ids]).await?.iter().map(device).collect()
    }

    /// The newest entry of each timeline that has one.
    pub async fn list_last_changes(&self) -> Result<Vec<LastChange>, StoreError> {
        let rows = self.client.query(LAST_CHANGES, &[]).await?;
        let change =
            |row: &Row| Ok(LastChange { device: row.try_get(0)?, is_online: row.try_get(1)?, at: row.try_get(2)? });
        rows.iter().map(change).collect()
    }

    /// Writes all changes or none.
    pub async fn insert_changes(&self, changes: &[Change], decided_at: DateTime<Utc>) -> Result<(), StoreError> {
        let device: Vec<_> = changes.iter().map(|change| change.device).collect();
        let at: Vec<_> = changes.iter().map(|change| change.at).collect();
        let status: Vec<_> = changes.iter().map(|change| change.status()).collect();
        let reason: Vec<_> = changes.iter().map(|change| change.reason.as_str()).collect();
        self.client.execute(&self.insert_changes, &[&device, &at, &status, &reason, &decided_at]).await?;
        Ok(())
    }

    /// Deletes the watermarks of workers that have gone; returns how many.
    pub async fn delete_gone_workers(&self) -> Result<u64, StoreError> {
        Ok(self.client.execute(DELETE_GONE_WORKERS, &[]).await?)
    }

    /// Ends runs that a clock that was set back has left in the future at the present; returns how many.
    pub async fn truncate_future_runs(&self) -> Result<u64, StoreError> {
        Ok(self.client.execute(TRUNCATE_FUTURE_RUNS, &[]).await?)
    }

    /// Merges old runs.
    pub async fn merge_runs(&self) -> Result<(), StoreError> {
        self.client.execute(MERGE_RUNS, &[]).await?;
        Ok(())
    }
}

fn device(row: &Row) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow { id: row.try_get(0)?, last_seen_at: row.try_get(1)?, offline_after_s: row.try_get(2)? })
}
