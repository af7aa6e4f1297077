//! The storage transaction: rows, then dirty buckets for late ones, then the devices' state, then commit.
//!
//! Rows are first inserted plainly; when one of them exists already, the transaction is rolled back and done again: what
//! exists is skipped then, and put together with what has come again ([`Insert`]).

use pulso_shared::telemetry::{Heartbeat, Reading};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::connect::prepare;
use super::insert::Insert;
use super::late_rows::{self, LateRowStatements};
use super::rows::Rows;
use super::state::StateColumns;
use crate::error::StoreError;

const UPSERT_DEVICE_STATE: &str = include_str!("upsert_device_state.sql");

/// The result of a storage transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// New rows.
    pub inserted: u64,
    /// Rows that were there already and have gained values; the others were duplicates.
    pub merged: u64,
}

/// The statements of one connection.
pub struct Statements {
    heartbeats: Insert,
    readings: Insert,
    late_rows: LateRowStatements,
    device_state: Statement,
}

impl Statements {
    pub async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            heartbeats: Insert::prepare::<Heartbeat>(client).await?,
            readings: Insert::prepare::<Reading>(client).await?,
            late_rows: LateRowStatements::prepare(client).await?,
            device_state: prepare(client, UPSERT_DEVICE_STATE).await?,
        })
    }
}

/// Stores all rows in one transaction, or none; never returns [`StoreError::Duplicate`]. When this future is dropped
/// half-way, the connection must be dropped too: its transaction is still open.
pub async fn store(
    client: &Client,
    statements: &Statements,
    rows: &Rows,
    suspect_duplicates: bool,
) -> Result<Stored, StoreError> {
    match attempt(client, statements, rows, suspect_duplicates).await {
        Err(StoreError::Duplicate) => attempt(client, statements, rows, true).await,
        decided => decided,
    }
}

async fn attempt(
    client: &Client,
    statements: &Statements,
    rows: &Rows,
    skip_existing: bool,
) -> Result<Stored, StoreError> {
    let decided = transact(client, statements, rows, skip_existing).await;
    if decided.is_err() {
        // When this fails too, the connection is broken, which outweighs the verdict.
        client.batch_execute("ROLLBACK").await?;
    }
    decided
}

/// The transaction in two pipelined round trips: the statements of each are sent together, so that the database does
/// not wait for the network between them. After one that fails, PostgreSQL refuses those behind it; the first error is
/// returned.
async fn transact(
    client: &Client,
    statements: &Statements,
    rows: &Rows,
    skip_existing: bool,
) -> Result<Stored, StoreError> {
    let ((), heartbeats, readings, closed_until, state) = tokio::try_join!(
        biased;
        execute(client, "BEGIN"),
        statements.heartbeats.insert(client, &rows.heartbeats, skip_existing),
        statements.readings.insert(client, &rows.readings, skip_existing),
        late_rows::closed_until(client, &statements.late_rows),
        // Computed while the database inserts the rows.
        async { Ok(StateColumns::of(rows)) },
    )?;
    let (merged_heartbeats, merged_readings, (), (), ()) = tokio::try_join!(
        biased;
        statements.heartbeats.merge(client, &heartbeats.existing),
        statements.readings.merge(client, &readings.existing),
        late_rows::mark_dirty(client, &statements.late_rows, &closed_until, rows),
        // Last, so that the rows of `device_state`, which all workers update, are locked for the shortest time.
        upsert_device_state(client, &statements.device_state, &state),
        execute(client, "COMMIT"),
    )?;
    Ok(Stored {
        inserted: heartbeats.new.saturating_add(readings.new),
        merged: merged_heartbeats.saturating_add(merged_readings),
    })
}

async fn execute(client: &Client, sql: &str) -> Result<(), StoreError> {
    Ok(client.batch_execute(sql).await?)
}

async fn upsert_device_state(client: &Client, statement: &Statement, state: &StateColumns) -> Result<(), StoreError> {
    client.execute(statement, &[&state.device_id, &state.heartbeat_ts, &state.reading_ts, &state.last_seen_at]).await?;
    Ok(())
}

/// Which of these devices still exist.
pub async fn existing_devices(client: &Client, devices: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let rows = client.query("SELECT id FROM devices WHERE id = ANY ($1)", &[&devices]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
