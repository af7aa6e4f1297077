//! Means of many devices, a piece of time after the other. Each piece is exact at the moment it is made.

use actix_web::web::{Bytes, Data};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;

use super::data_query::DataWanted;
use super::data_routes::Pieces;
use super::grid::{Grid, Step};
use super::measure::Measure;
use super::partials::{self, Ask, Partial, Scope};
use super::points::PointWriter;
use super::version::{self, Version};
use super::zone::floor;
use crate::http::error::ApiError;
use crate::state::AppState;

/// Rollups that a piece is put together from, where each device has points of its own: that many points are held in
/// memory.
const ROLLUPS_PER_DEVICE: i64 = 50_000;
/// The same, where only their means are.
const ROLLUPS_TOGETHER: i64 = 500_000;

/// The means that are still to be sent.
pub struct PointPieces {
    state: Data<AppState>,
    scope: Scope,
    measure: Measure,
    grid: Grid,
    per_server: bool,
    /// From where on, and up to where, both included; `None`: all are sent.
    rest: Option<(DateTime<Utc>, DateTime<Utc>)>,
    begun: bool,
    points: usize,
    /// Of what they are the means, where that is over and they were made in one piece.
    version: Option<Version>,
}

impl PointPieces {
    /// The means that `wanted` asks for.
    #[must_use]
    pub fn new(state: Data<AppState>, scope: Scope, step: Step, wanted: &DataWanted) -> Self {
        Self {
            state,
            scope,
            measure: wanted.measure(),
            grid: Grid::utc(step),
            per_server: wanted.per_server,
            rest: Some((wanted.from, wanted.to)),
            begun: false,
            points: 0,
            version: None,
        }
    }

    /// Of what they are the means, where these can be given again: all were made of one snapshot, of a time that is over.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version.clone().filter(|_| self.is_complete())
    }

    /// The next piece's means; moves on behind it. Nothing is read beyond what is there at this moment.
    async fn read_piece(
        &mut self,
        connection: &mut AsyncPgConnection,
        time: (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<Partial>, ApiError> {
        self.rest = None;
        partials::prepare(connection, self.measure.source).await?;
        let is_over = !self.begun && time.1 < self.state.clock.now();
        self.version =
            if is_over { version::load(connection, self.measure.source, self.scope, time).await? } else { None };
        let bounds = partials::load_bounds(connection, self.measure.source, self.scope, time).await?;
        let Some((from, last)) = bounds.cut(time) else { return Ok(Vec::new()) };
        let to = (last + TimeDelta::microseconds(1)).min(self.piece_end(from, bounds.devices));
        let ask =
            Ask { scope: self.scope, measure: &self.measure, grid: &self.grid, per_device: self.per_server, from, to };
        let partials = partials::load(connection, &ask, &bounds).await?;
        self.rest = (to <= last).then_some((to, time.1));
        Ok(partials)
    }

    /// Where a piece that begins at `from` ends: on the start of an interval.
    fn piece_end(&self, from: DateTime<Utc>, devices: i64) -> DateTime<Utc> {
        let (step, most) = (self.grid.step, if self.per_server { ROLLUPS_PER_DEVICE } else { ROLLUPS_TOGETHER });
        let rollups = most.checked_div(devices).unwrap_or(most).max(1);
        let minutes = if step == Step::Minute { rollups } else { rollups.saturating_mul(60) };
        let width = step.width();
        floor(from, width) + floor_delta(TimeDelta::minutes(minutes), width)
    }
}

/// `span` in whole `width`s, at least one.
fn floor_delta(span: TimeDelta, width: TimeDelta) -> TimeDelta {
    let widths = span.num_seconds().checked_div(width.num_seconds()).unwrap_or(1).max(1);
    width * i32::try_from(widths).unwrap_or(i32::MAX)
}

impl Pieces for PointPieces {
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(rest) = self.rest else { return Ok(None) };
        let state = self.state.clone();
        let mut connection = state.db.get().await?;
        let mut transaction = connection.build_transaction().repeatable_read().read_only();
        let partials = transaction.run(async |connection| self.read_piece(connection, rest).await).await?;
        drop(connection);
        let mut writer = PointWriter::begun(&self.measure, self.points);
        if !self.begun {
            self.begun = true;
            writer.push(b'[');
        }
        writer.json(&partials).map_err(|error| ApiError::Internal(Box::new(error)))?;
        if self.rest.is_none() {
            writer.push(b']');
        }
        self.points = writer.points();
        Ok(Some(writer.take().into()))
    }

    fn is_complete(&self) -> bool {
        self.rest.is_none()
    }
}
