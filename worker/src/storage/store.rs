//! The storage transaction: rows, then dirty buckets for late ones, then the devices' state, then commit.
//!
//! Duplicates are rare, and a plain INSERT costs 40 % less than one with ON CONFLICT (`docs/performance.md`). So rows
//! are first inserted plainly; when one of them exists already, the transaction is rolled back and done again with
//! ON CONFLICT DO NOTHING. Both are one statement with an array for each column.

use serde_json::Value;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::connect::prepare;
use super::late_rows::{self, LateRowStatements};
use super::rows::Rows;
use super::state::StateColumns;
use crate::error::StoreError;

const INSERT_HEARTBEATS: &str = include_str!("insert_heartbeats.sql");
const INSERT_READINGS: &str = include_str!("insert_readings.sql");
const UPSERT_DEVICE_STATE: &str = include_str!("upsert_device_state.sql");
const SKIP_DUPLICATES: &str = "ON CONFLICT (device_id, ts) DO NOTHING";

/// The result of a storage transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// New rows; the others were duplicates.
    pub inserted: u64,
}

/// One INSERT in its two forms.
struct Insert {
    plain: Statement,
    skipping: Statement,
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
            heartbeats: Insert::prepare(client, INSERT_HEARTBEATS).await?,
            readings: Insert::prepare(client, INSERT_READINGS).await?,
            late_rows: LateRowStatements::prepare(client).await?,
            device_state: prepare(client, UPSERT_DEVICE_STATE).await?,
        })
    }
}

impl Insert {
    async fn prepare(client: &Client, sql: &str) -> Result<Self, StoreError> {
        let plain = prepare(client, sql).await?;
        let skipping = prepare(client, &format!("{sql} {SKIP_DUPLICATES}")).await?;
        Ok(Self { plain, skipping })
    }

    fn choose(&self, skip_duplicates: bool) -> &Statement {
        if skip_duplicates { &self.skipping } else { &self.plain }
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
    skip_duplicates: bool,
) -> Result<Stored, StoreError> {
    let decided = transact(client, statements, rows, skip_duplicates).await;
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
    skip_duplicates: bool,
) -> Result<Stored, StoreError> {
    let ((), heartbeats, readings, closed_until, state) = tokio::try_join!(
        biased;
        execute(client, "BEGIN"),
        insert_heartbeats(client, statements.heartbeats.choose(skip_duplicates), rows),
        insert_readings(client, statements.readings.choose(skip_duplicates), rows),
        late_rows::closed_until(client, &statements.late_rows),
        // Computed while the database inserts the rows.
        async { Ok(StateColumns::of(rows)) },
    )?;
    tokio::try_join!(
        biased;
        late_rows::mark_dirty(client, &statements.late_rows, &closed_until, rows),
        // Last, so that the rows of `device_state`, which all workers update, are locked for the shortest time.
        upsert_device_state(client, &statements.device_state, &state),
        execute(client, "COMMIT"),
    )?;
    Ok(Stored { inserted: heartbeats.saturating_add(readings) })
}

async fn execute(client: &Client, sql: &str) -> Result<(), StoreError> {
    Ok(client.batch_execute(sql).await?)
}

async fn insert_heartbeats(client: &Client, statement: &Statement, rows: &Rows) -> Result<u64, StoreError> {
    let rows = &rows.heartbeats;
    if rows.is_empty() {
        return Ok(0);
    }
    let device_id: Vec<_> = rows.iter().map(|row| row.item.device_id.as_uuid()).collect();
    let ts: Vec<_> = rows.iter().map(|row| row.item.ts).collect();
    let received_at: Vec<_> = rows.iter().map(|row| row.origin.received_at).collect();
    let cpu_usage: Vec<_> = rows.iter().map(|row| row.item.cpu_usage.map(f64::from)).collect();
    let ram_usage: Vec<_> = rows.iter().map(|row| row.item.ram_usage.map(f64::from)).collect();
    let disk_free: Vec<_> = rows.iter().map(|row| row.item.disk_free.map(f64::from)).collect();
    let temperature: Vec<_> = rows.iter().map(|row| row.item.temperature.map(f64::from)).collect();
    let latency: Vec<_> = rows.iter().map(|row| row.item.latency.map(f64::from)).collect();
    let connectivity: Vec<_> = rows.iter().map(|row| row.item.connectivity).collect();
    let boot_time: Vec<_> = rows.iter().map(|row| row.item.boot_time).collect();
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
        &device_id,
        &ts,
        &received_at,
        &cpu_usage,
        &ram_usage,
        &disk_free,
        &temperature,
        &latency,
        &connectivity,
        &boot_time,
    ];
    Ok(client.execute(statement, &columns).await?)
}

async fn insert_readings(client: &Client, statement: &Statement, rows: &Rows) -> Result<u64, StoreError> {
    let rows = &rows.readings;
    if rows.is_empty() {
        return Ok(0);
    }
    let device_id: Vec<_> = rows.iter().map(|row| row.item.device_id.as_uuid()).collect();
    let ts: Vec<_> = rows.iter().map(|row| row.item.ts).collect();
    let received_at: Vec<_> = rows.iter().map(|row| row.origin.received_at).collect();
    let temperature: Vec<_> = rows.iter().map(|row| row.item.temperature.map(f64::from)).collect();
    let humidity: Vec<_> = rows.iter().map(|row| row.item.humidity.map(f64::from)).collect();
    let voltage: Vec<_> = rows.iter().map(|row| row.item.voltage.map(f64::from)).collect();
    let current: Vec<_> = rows.iter().map(|row| row.item.current.map(f64::from)).collect();
    let metrics: Vec<Option<Value>> = rows
        .iter()
        .map(|row| (!row.item.metrics.is_empty()).then(|| serde_json::to_value(&row.item.metrics)).transpose())
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Poison(error.to_string()))?;
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
        [&device_id, &ts, &received_at, &temperature, &humidity, &voltage, &current, &metrics];
    Ok(client.execute(statement, &columns).await?)
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
