//! Readings of many devices in the order of time, page after page.
//!
//! The index holds each device's rows in order, not all devices' together. So a page takes the next few rows of each
//! device and merges them: up to the instant at which the first device has used its few rows up, no row of any device can
//! be missing, and what lies before it is sent. However densely the rows lie, no more than a few of each device are read.
//! A connection is held while a page is read, not while the client takes it.
//!
//! The plain query (all rows of a window, ordered by time and device, with a limit) sorts all that the window holds for
//! each page. Over 1,000,000 rows of 100 devices it is as fast in a window that fits (80 ms a page), takes twice as long
//! in a day's (200 ms to 90 ms), four times as long in 32 days' (810 ms to 200 ms), and ever longer the denser they are.

use std::collections::HashMap;

use actix_web::web::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use pulso_shared::ids::DeviceId;
use pulso_shared::rollup::Source;

use super::store::{self, PageQuery};
use super::stream::ChunkSource;
use super::types::{DataRequest, DataRow, SensorType};
use crate::aggregation::{Scope, load_bounds, prepare_snapshot};
use crate::http::error::ApiError;
use crate::http::json_array::JsonArrayWriter;
use crate::rate_limit::HeavyDb;

const MAX_PAGE_ROWS: usize = 10_000;
/// Before it is known how long they are: a row with all custom metrics that one may have is 11 KB long.
const FIRST_PAGE_ROWS: usize = 200;
/// How much a page is to hold, as far as the rows before it tell: that much is in memory while the client takes it.
const PAGE_BYTES: usize = 512 * 1024;
/// A chunk with so many bytes is sent; one with fewer waits for the next page's.
const MIN_CHUNK_BYTES: usize = 128 * 1024;
/// How many times the even share may be taken of each device, where some send far more than others.
const MAX_SHARES: usize = 32;
const MIN_WINDOW: TimeDelta = TimeDelta::hours(1);
/// Planning, and looking at each device, take longer with each day's partition.
const MAX_WINDOW: TimeDelta = TimeDelta::days(32);
/// Rows without the sensor are skipped, but they are read none the less.
const MAX_WINDOW_OF_A_SENSOR: TimeDelta = TimeDelta::hours(6);

/// The readings that are still to be sent.
pub struct RawChunks {
    db: HeavyDb,
    scope: Scope,
    sensor: Option<SensorType>,
    /// From an instant up to, but not including, another; `None`: all are sent.
    remaining: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The last row of the last page, where the next page starts at the same instant.
    after: Option<(DateTime<Utc>, DeviceId)>,
    /// How much time the next page covers at most.
    window: TimeDelta,
    max_window: TimeDelta,
    devices: usize,
    /// Rows of the next page.
    max_rows: usize,
    rows_per_device: usize,
    has_begun: bool,
    array: JsonArrayWriter,
}

impl RawChunks {
    /// The readings that are there now.
    pub async fn begin(db: HeavyDb, scope: Scope, request: &DataRequest) -> Result<Self, ApiError> {
        let load = async |connection: &mut AsyncPgConnection| {
            Ok(load_bounds(connection, Source::Readings, scope, request.range).await?)
        };
        let bounds = db.run(load).await?;
        let remaining = bounds.clip(request.range).map(|range| (range.from, range.to + TimeDelta::microseconds(1)));
        let max_window = if request.sensor.is_some() { MAX_WINDOW_OF_A_SENSOR } else { MAX_WINDOW };
        let devices = usize::try_from(bounds.devices).unwrap_or(usize::MAX).max(1);
        Ok(Self {
            db,
            scope,
            sensor: request.sensor,
            remaining,
            after: None,
            window: max_window.min(TimeDelta::days(1)),
            max_window,
            devices,
            max_rows: FIRST_PAGE_ROWS,
            rows_per_device: even_share(FIRST_PAGE_ROWS, devices),
            has_begun: false,
            array: JsonArrayWriter::new(),
        })
    }

    /// The rows of the next page, which may be none; moves on behind them.
    async fn read_page(
        &mut self,
        connection: &mut AsyncPgConnection,
        (from, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<DataRow>, ApiError> {
        let to = end.min(from + self.window);
        let (scope, sensor, after, rows_per_device) = (self.scope, self.sensor, self.after, self.rows_per_device);
        let page = PageQuery { scope, sensor, from, to, after, rows_per_device, max_rows: self.max_rows };
        let mut transaction = connection.build_transaction().repeatable_read().read_only();
        let read = transaction.run(async |connection| {
            prepare_snapshot(connection, Source::Readings).await?;
            store::list_rows(connection, &page).await
        });
        let mut rows: Vec<DataRow> = read.await?;
        let complete_until = complete_until(&rows, rows_per_device);
        if let Some(until) = complete_until {
            rows.truncate(rows.partition_point(|row| row.timestamp <= until));
        }
        match rows.last() {
            Some(last) if complete_until.is_some() || rows.len() >= self.max_rows => {
                self.after = Some((last.timestamp, last.server_ulid));
                self.remaining = Some((last.timestamp, end));
                self.window = ((last.timestamp - from) * 2).clamp(MIN_WINDOW, self.window.max(MIN_WINDOW));
            }
            _ => {
                self.after = None;
                self.remaining = (to < end).then_some((to, end));
                self.window = self.max_window.min(self.window * 4);
            }
        }
        self.rows_per_device = self.adapted(complete_until.is_some(), rows.len());
        Ok(rows)
    }

    /// Reads pages until they are enough for a chunk.
    async fn fill_chunk(&mut self, connection: &mut AsyncPgConnection) -> Result<(), ApiError> {
        while let Some(remaining) = self.remaining {
            let rows = self.read_page(connection, remaining).await?;
            self.write(&rows)?;
            if self.array.chunk_bytes() >= MIN_CHUNK_BYTES {
                break;
            }
        }
        Ok(())
    }

    /// How many rows the next page takes of each device: more where one device ended this page early, and its even share
    /// again where none did.
    fn adapted(&self, was_cut: bool, rows: usize) -> usize {
        let (current, even_share) = (self.rows_per_device, even_share(self.max_rows, self.devices));
        match was_cut {
            true if rows < self.max_rows / 4 => {
                self.max_rows.min(even_share.saturating_mul(MAX_SHARES)).min(current * 2)
            }
            true => current,
            false => even_share.max(current / 2),
        }
    }

    /// Writes a page's rows, and learns from them how many the next page may have.
    fn write(&mut self, rows: &[DataRow]) -> Result<(), ApiError> {
        let before = self.array.chunk_bytes();
        for row in rows {
            self.array.push(row).map_err(|error| ApiError::Internal(Box::new(error)))?;
        }
        let bytes = self.array.chunk_bytes().saturating_sub(before);
        if let Some(bytes_per_row) = bytes.checked_div(rows.len()) {
            let (max_rows, old) = (PAGE_BYTES.checked_div(bytes_per_row).unwrap_or(MAX_PAGE_ROWS), self.max_rows);
            self.max_rows = max_rows.clamp(FIRST_PAGE_ROWS, MAX_PAGE_ROWS);
            // Its rows of each device are as many more.
            let scaled = self.rows_per_device.saturating_mul(self.max_rows).checked_div(old);
            let even_share = even_share(self.max_rows, self.devices);
            self.rows_per_device = scaled.unwrap_or(even_share).clamp(even_share.min(self.max_rows), self.max_rows);
        }
        Ok(())
    }
}

/// Rows that a page takes of each device where all send equally often.
fn even_share(max_rows: usize, devices: usize) -> usize {
    max_rows.saturating_mul(2).checked_div(devices).unwrap_or(0).saturating_add(8).min(max_rows)
}

/// The first instant after which a device may have rows that were not read: it has used up its `rows_per_device`. `None`:
/// no device has.
fn complete_until(rows: &[DataRow], rows_per_device: usize) -> Option<DateTime<Utc>> {
    let mut read: HashMap<DeviceId, usize> = HashMap::new();
    rows.iter().find_map(|row| {
        let of_device = read.entry(row.server_ulid).or_default();
        *of_device = of_device.saturating_add(1);
        (*of_device >= rows_per_device).then_some(row.timestamp)
    })
}

impl ChunkSource for RawChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.is_complete() {
            return Ok(None);
        }
        self.has_begun = true;
        if self.remaining.is_some() {
            let db = self.db.clone();
            db.run(async |connection| self.fill_chunk(connection).await).await?;
        }
        if self.remaining.is_none() {
            self.array.close();
        }
        Ok(Some(self.array.take_chunk()))
    }

    fn is_complete(&self) -> bool {
        self.has_begun && self.remaining.is_none()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use pulso_shared::ids::DeviceId;

    use super::{DataRow, complete_until};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_page_is_complete_up_to_where_the_first_device_has_used_its_rows_up() {
        let (slow, fast) = (DeviceId::generate(), DeviceId::generate());
        let row = |(second, server_ulid)| DataRow {
            timestamp: at(second),
            server_ulid,
            temperature: Some(1.0),
            humidity: None,
            voltage: None,
            current: None,
            metrics: None,
        };
        let rows: Vec<_> = [(1, fast), (1, slow), (2, fast), (3, fast), (4, slow)].into_iter().map(row).collect();
        assert_eq!(complete_until(&rows, 1), Some(at(1)));
        assert_eq!(complete_until(&rows, 2), Some(at(2)));
        assert_eq!(complete_until(&rows, 3), Some(at(3)));
        assert_eq!(complete_until(&rows, 4), None);
    }
}
