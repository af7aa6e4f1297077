//! Inserts rows, and puts those that are there already together with what came again.
//!
//! Duplicates are rare, and a plain INSERT costs 40 % less than one with ON CONFLICT (`docs/performance.md`). So there are
//! three forms of each table's INSERT, one statement with an array for each column: the plain one, which fails at a row
//! that exists; one that skips such rows; and one for these alone, which gives them the values that they lack. The third
//! locks rows that others may write, in the order of the key, as all do: so two workers cannot deadlock. When it runs,
//! none of its rows is new: the second one has waited for whoever was inserting it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, MAX_ROW_METRICS, Reading};
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::connect::prepare;
use super::rows::{Keyed, Stamped};
use crate::error::StoreError;

const SKIP_EXISTING: &str = "ON CONFLICT (device_id, ts) DO NOTHING RETURNING device_id, ts";

/// An array for each column.
type Columns = Vec<Box<dyn ToSql + Sync + Send>>;

/// Rows of a table.
pub trait Table: Keyed + Sized {
    /// The plain statement.
    const INSERT: &str;
    /// What makes it put rows together.
    const MERGE: &str;

    /// The statements' parameters.
    fn columns<'a>(rows: impl Iterator<Item = &'a Stamped<Self>> + Clone) -> Result<Columns, StoreError>
    where
        Self: 'a;

    /// The parameters that only [`Table::MERGE`] has.
    fn merge_parameters() -> Columns {
        Vec::new()
    }
}

/// One table's INSERT in its three forms.
pub struct Insert {
    plain: Statement,
    skipping: Statement,
    merging: Statement,
}

/// What an INSERT has done.
pub struct Inserted<'a, T> {
    /// How many rows are new.
    pub new: u64,
    /// Those that were there already.
    pub existing: Vec<&'a Stamped<T>>,
}

impl Insert {
    pub async fn prepare<T: Table>(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            plain: prepare(client, T::INSERT).await?,
            skipping: prepare(client, &format!("{} {SKIP_EXISTING}", T::INSERT)).await?,
            merging: prepare(client, &format!("{} {}", T::INSERT, T::MERGE)).await?,
        })
    }

    /// Inserts rows. Where one exists already, it is skipped if `skip_existing` says so; else the statement fails.
    pub async fn insert<'a, T: Table>(
        &self,
        client: &Client,
        rows: &'a [Stamped<T>],
        skip_existing: bool,
    ) -> Result<Inserted<'a, T>, StoreError> {
        if rows.is_empty() {
            return Ok(Inserted { new: 0, existing: Vec::new() });
        }
        let columns = T::columns(rows.iter())?;
        if !skip_existing {
            let new = client.execute(&self.plain, &borrowed(&columns)).await?;
            return Ok(Inserted { new, existing: Vec::new() });
        }
        let found = client.query(&self.skipping, &borrowed(&columns)).await?;
        let key = |row: &tokio_postgres::Row| Ok((row.try_get::<_, Uuid>(0)?.into(), row.try_get(1)?));
        let new = found.iter().map(key).collect::<Result<HashSet<(DeviceId, DateTime<Utc>)>, StoreError>>()?;
        let existing = rows.iter().filter(|row| !new.contains(&row.item.key())).collect();
        Ok(Inserted { new: u64::try_from(new.len()).unwrap_or(u64::MAX), existing })
    }

    /// Gives rows that exist the values that they lack; returns how many lacked any.
    pub async fn merge<T: Table>(&self, client: &Client, existing: &[&Stamped<T>]) -> Result<u64, StoreError> {
        if existing.is_empty() {
            return Ok(0);
        }
        let mut columns = T::columns(existing.iter().copied())?;
        columns.append(&mut T::merge_parameters());
        Ok(client.execute(&self.merging, &borrowed(&columns)).await?)
    }
}

fn borrowed(columns: &Columns) -> Vec<&(dyn ToSql + Sync)> {
    columns.iter().map(|column| -> &(dyn ToSql + Sync) { &**column }).collect()
}

/// One value of each row, as an array.
fn column<'a, T: 'a, V: ToSql + Sync + Send + 'static>(
    rows: &(impl Iterator<Item = &'a Stamped<T>> + Clone),
    value: impl Fn(&Stamped<T>) -> V,
) -> Box<dyn ToSql + Sync + Send>
where
    Vec<V>: ToSql,
{
    Box::new(rows.clone().map(value).collect::<Vec<V>>())
}

impl Table for Heartbeat {
    const INSERT: &str = include_str!("insert_heartbeats.sql");
    const MERGE: &str = include_str!("merge_heartbeats.sql");

    fn columns<'a>(rows: impl Iterator<Item = &'a Stamped<Self>> + Clone) -> Result<Columns, StoreError> {
        Ok(vec![
            column(&rows, |row| row.item.device_id.as_uuid()),
            column(&rows, |row| row.item.ts),
            column(&rows, |row| row.origin.received_at),
            column(&rows, |row| row.item.cpu_usage.map(f64::from)),
            column(&rows, |row| row.item.ram_usage.map(f64::from)),
            column(&rows, |row| row.item.disk_free.map(f64::from)),
            column(&rows, |row| row.item.temperature.map(f64::from)),
            column(&rows, |row| row.item.latency.map(f64::from)),
            column(&rows, |row| row.item.connectivity),
            column(&rows, |row| row.item.boot_time),
        ])
    }
}

impl Table for Reading {
    const INSERT: &str = include_str!("insert_readings.sql");
    const MERGE: &str = include_str!("merge_readings.sql");

    fn columns<'a>(rows: impl Iterator<Item = &'a Stamped<Self>> + Clone) -> Result<Columns, StoreError> {
        let metrics = |row: &Stamped<Self>| {
            (!row.item.metrics.is_empty()).then(|| serde_json::to_value(&row.item.metrics)).transpose()
        };
        let metrics: Vec<Option<Value>> = rows
            .clone()
            .map(metrics)
            .collect::<Result<_, _>>()
            .map_err(|error| StoreError::Poison(error.to_string()))?;
        Ok(vec![
            column(&rows, |row| row.item.device_id.as_uuid()),
            column(&rows, |row| row.item.ts),
            column(&rows, |row| row.origin.received_at),
            column(&rows, |row| row.item.temperature.map(f64::from)),
            column(&rows, |row| row.item.humidity.map(f64::from)),
            column(&rows, |row| row.item.voltage.map(f64::from)),
            column(&rows, |row| row.item.current.map(f64::from)),
            Box::new(metrics),
        ])
    }

    fn merge_parameters() -> Columns {
        vec![Box::new(i64::try_from(MAX_ROW_METRICS).unwrap_or(i64::MAX))]
    }
}
