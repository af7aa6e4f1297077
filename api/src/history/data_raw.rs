//! Readings of many devices in the order of time, a window of time after the other.
//!
//! The index has each device's rows in order, not all devices' together: so the rows of a window are read and sorted,
//! and the window is made as wide as the page wants it. A connection is held while a page is read, not while the client
//! takes it.

use actix_web::web::{Bytes, Data};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Double, Jsonb, Nullable, Timestamptz, Uuid};
use diesel_async::AsyncPgConnection;
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;
use serde::Serialize;
use utoipa::ToSchema;

use super::data_query::DataWanted;
use super::data_routes::Pieces;
use super::metrics::Metrics;
use super::partials::{self, Scope, between, instant};
use crate::error::ApiError;
use crate::state::AppState;

/// Rows read at once.
const PAGE: usize = 10_000;
/// A piece with so many rows is sent; one with fewer waits for the next window's.
const ENOUGH: usize = 2_500;
const NARROWEST: TimeDelta = TimeDelta::milliseconds(1);
/// Planning takes longer with each day's partition.
const WIDEST: TimeDelta = TimeDelta::days(32);

/// A reading, or the means of an interval.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct DataRow {
    /// When it was measured, or the start of the interval.
    #[diesel(sql_type = Timestamptz)]
    #[schema(example = "2026-11-21T12:00:00Z")]
    timestamp: DateTime<Utc>,
    /// Whose it is; means of all servers together have none.
    #[diesel(sql_type = Uuid)]
    #[schema(required = false)]
    server_ulid: DeviceId,
    /// Temperature, °C.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 25.5)]
    temperature: Option<f64>,
    /// Relative humidity, %.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 60.2)]
    humidity: Option<f64>,
    /// Voltage, V.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 220.0)]
    voltage: Option<f64>,
    /// Current, A.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1.5)]
    current: Option<f64>,
    /// Further numbers by name; never with `sensor_type` or `aggregation`.
    #[diesel(sql_type = Nullable<Jsonb>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, f64>>, example = json!({"pm2.5": 7}))]
    metrics: Option<Metrics>,
}

/// The readings that are still to be sent.
pub struct RowPieces {
    state: Data<AppState>,
    scope: Scope,
    sensor: Option<&'static str>,
    /// From where on, and up to where; `None`: all are sent.
    rest: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The last row that was sent, where others may have its timestamp.
    after: Option<(DateTime<Utc>, DeviceId)>,
    window: TimeDelta,
    begun: bool,
    rows: usize,
}

impl RowPieces {
    /// The readings that are there now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(state: Data<AppState>, scope: Scope, wanted: &DataWanted) -> Result<Self, ApiError> {
        let mut connection = state.db.get().await?;
        let time = (wanted.from, wanted.to);
        let bounds = partials::load_bounds(&mut connection, Source::Readings, scope, time).await?;
        drop(connection);
        let rest = bounds.cut(time).map(|(from, to)| (from, to + TimeDelta::microseconds(1)));
        let window = match scope {
            Scope::Device(_) => TimeDelta::days(1),
            Scope::Owner(_) => TimeDelta::hours(1),
        };
        Ok(Self { state, scope, sensor: wanted.sensor, rest, after: None, window, begun: false, rows: 0 })
    }

    /// The rows of the next window, which may be none; moves on behind them.
    async fn read_window(
        &mut self,
        connection: &mut AsyncPgConnection,
        (from, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<DataRow>, ApiError> {
        let to = end.min(from + self.window);
        let rows: Vec<DataRow> = partials::query(self.sql(from, to), self.scope, connection).await?;
        match rows.last() {
            Some(last) if rows.len() >= PAGE => {
                self.after = Some((last.timestamp, last.server_ulid));
                self.rest = Some((last.timestamp, end));
                let span = rows.first().map_or(self.window, |first| last.timestamp - first.timestamp);
                self.window = self.window.min(span * 2).max(NARROWEST);
            }
            _ => {
                self.after = None;
                self.rest = (to < end).then_some((to, end));
                if rows.len() < PAGE / 4 {
                    self.window = WIDEST.min(self.window * 4);
                }
            }
        }
        Ok(rows)
    }

    fn sql(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> String {
        let column = |name: &&str| match self.sensor {
            Some(sensor) if sensor != *name => format!("NULL::double precision AS {name}"),
            _ => format!("r.{name}"),
        };
        let columns: Vec<_> = Source::Readings.metrics().iter().map(column).collect();
        let metrics = self.sensor.map_or("r.metrics", |_| "NULL::jsonb AS metrics");
        let present = self.sensor.map_or_else(String::new, |sensor| format!("AND r.{sensor} IS NOT NULL"));
        let after = self.after.map_or_else(String::new, |(ts, device)| {
            format!("AND (r.ts, r.device_id) > ({}, '{}'::uuid)", instant(ts), device.as_uuid())
        });
        format!(
            "SELECT r.ts AS timestamp, r.device_id AS server_ulid, {}, {metrics} FROM readings AS r
             WHERE {} AND {} {present} {after} ORDER BY r.ts, r.device_id LIMIT {PAGE}",
            columns.join(", "),
            self.scope.holds("r"),
            between("r.ts", from, to)
        )
    }

    fn write(&mut self, rows: &[DataRow], bytes: &mut Vec<u8>) -> Result<(), ApiError> {
        for row in rows {
            if self.rows > 0 {
                bytes.push(b',');
            }
            self.rows = self.rows.saturating_add(1);
            serde_json::to_writer(&mut *bytes, row).map_err(|error| ApiError::Internal(Box::new(error)))?;
        }
        Ok(())
    }
}

impl Pieces for RowPieces {
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.begun && self.rest.is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        if !self.begun {
            self.begun = true;
            bytes.push(b'[');
        }
        let enough = self.rows.saturating_add(ENOUGH);
        let state = self.state.clone();
        let mut connection = if self.rest.is_some() { Some(state.db.get().await?) } else { None };
        while let (Some(rest), Some(connection)) = (self.rest, connection.as_mut()) {
            let rows = self.read_window(connection, rest).await?;
            self.write(&rows, &mut bytes)?;
            if self.rows >= enough {
                break;
            }
        }
        if self.rest.is_none() {
            bytes.push(b']');
        }
        Ok(Some(bytes.into()))
    }

    fn is_complete(&self) -> bool {
        self.begun && self.rest.is_none()
    }
}
