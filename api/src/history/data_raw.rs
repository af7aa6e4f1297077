//! Readings of many devices in the order of time, page after page.
//!
//! The index has each device's rows in order, not all devices' together. So of each device its next few rows are taken,
//! and put in order: what comes before the last of the few is a part of the answer, since nothing of any device can be
//! missing there. However close the rows lie, no more than a few of each device are read. A connection is held while a
//! page is read, not while the client takes it.

use std::collections::HashMap;

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
use crate::http::error::ApiError;
use crate::state::AppState;

/// Most rows of a page.
const PAGE: usize = 10_000;
/// A piece with so many rows is sent; one with fewer waits for the next page's.
const ENOUGH: usize = 2_500;
/// How many times the even share may be taken of each device, where some send far more than others.
const MOST_SHARES: usize = 32;
const NARROWEST: TimeDelta = TimeDelta::hours(1);
/// Planning, and looking at each device, take longer with each day's partition.
const WIDEST: TimeDelta = TimeDelta::days(32);
/// Where rows without the sensor are passed over, they are read none the less.
const WIDEST_OF_A_SENSOR: TimeDelta = TimeDelta::hours(6);

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
    /// The last row that was sent.
    after: Option<(DateTime<Utc>, DeviceId)>,
    /// How far a page looks.
    window: TimeDelta,
    widest: TimeDelta,
    /// How many rows of each device a page takes: an even share of it, or more.
    share: usize,
    of_each: usize,
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
        let widest = if wanted.sensor.is_some() { WIDEST_OF_A_SENSOR } else { WIDEST };
        let devices = usize::try_from(bounds.devices).unwrap_or(usize::MAX).max(1);
        let share = PAGE.saturating_mul(2).checked_div(devices).unwrap_or(0).saturating_add(8).min(PAGE);
        Ok(Self {
            state,
            scope,
            sensor: wanted.sensor,
            rest,
            after: None,
            window: widest.min(TimeDelta::days(1)),
            widest,
            share,
            of_each: share,
            begun: false,
            rows: 0,
        })
    }

    /// The rows of the next page, which may be none; moves on behind them.
    async fn read_page(
        &mut self,
        connection: &mut AsyncPgConnection,
        (from, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<DataRow>, ApiError> {
        let to = end.min(from + self.window);
        let mut rows: Vec<DataRow> = partials::query(self.sql(from, to), self.scope, connection).await?;
        let cut = self.first_end(&rows);
        if let Some(cut) = cut {
            rows.truncate(rows.partition_point(|row| row.timestamp <= cut));
        }
        match rows.last() {
            Some(last) if cut.is_some() || rows.len() >= PAGE => {
                self.after = Some((last.timestamp, last.server_ulid));
                self.rest = Some((last.timestamp, end));
                self.window = ((last.timestamp - from) * 2).clamp(NARROWEST, self.window.max(NARROWEST));
            }
            _ => {
                self.after = None;
                self.rest = (to < end).then_some((to, end));
                self.window = self.widest.min(self.window * 4);
            }
        }
        self.of_each = match cut {
            Some(_) if rows.len() < PAGE / 4 => PAGE.min(self.share.saturating_mul(MOST_SHARES)).min(self.of_each * 2),
            Some(_) => self.of_each,
            None => self.share.max(self.of_each / 2),
        };
        Ok(rows)
    }

    /// The earliest instant behind which a device may have rows that were not taken.
    fn first_end(&self, rows: &[DataRow]) -> Option<DateTime<Utc>> {
        let mut taken: HashMap<DeviceId, usize> = HashMap::new();
        rows.iter().find_map(|row| {
            let of_device = taken.entry(row.server_ulid).or_default();
            *of_device = of_device.saturating_add(1);
            (*of_device >= self.of_each).then_some(row.timestamp)
        })
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
            "SELECT row.* FROM devices CROSS JOIN LATERAL (
                 SELECT r.ts AS timestamp, r.device_id AS server_ulid, {}, {metrics} FROM readings AS r
                 WHERE r.device_id = devices.id AND {} {present} {after} ORDER BY r.ts LIMIT {}
             ) AS row WHERE {} ORDER BY row.timestamp, row.server_ulid LIMIT {PAGE}",
            columns.join(", "),
            between("r.ts", from, to),
            self.of_each,
            self.scope.holds_device()
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
            let rows = self.read_page(connection, rest).await?;
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
