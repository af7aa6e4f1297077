//! Means of many devices, one range of time after the other. Each chunk is exact at the moment it is made.

use actix_web::web::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use pulso_shared::clock::Clock;

use super::store::{self, DataVersion};
use super::stream::ChunkSource;
use super::types::DataRequest;
use crate::aggregation::{
    AggregateQuery, Buckets, Measures, Point, PointWriter, Scope, Step, floor, load_bounds, load_points,
    prepare_snapshot,
};
use crate::http::error::ApiError;
use crate::http::json_array::JsonArrayWriter;
use crate::http::time_range::TimeRange;
use crate::rate_limit::HeavyDb;

/// Rollups that a chunk is computed from, where each device has points of its own: that many points are held in memory.
const ROLLUPS_PER_DEVICE: i64 = 10_000;
/// The same, where all devices together have one mean.
const ROLLUPS_TOGETHER: i64 = 500_000;
/// Points of a chunk that is one series: some 2 MB.
const POINTS_TOGETHER: i64 = 10_000;
/// A chunk with fewer is followed by a longer one, up to so many times as long.
const FEW_POINTS: usize = 1_000;
const MAX_STRETCH: i64 = 8;

/// The means that are still to be sent.
pub struct MeanChunks {
    db: HeavyDb,
    clock: Clock,
    scope: Scope,
    measures: Measures,
    buckets: Buckets,
    per_device: bool,
    /// `None`: all are sent.
    remaining: Option<TimeRange>,
    has_begun: bool,
    /// How many times the usual length of time the next chunk covers: more where there is little in it.
    stretch: i64,
    array: JsonArrayWriter,
    /// Of what they are the means, where that lies in the past and they were read at once.
    version: Option<DataVersion>,
}

impl MeanChunks {
    pub fn new(db: HeavyDb, clock: Clock, scope: Scope, step: Step, request: &DataRequest) -> Self {
        Self {
            db,
            clock,
            scope,
            measures: request.measures(),
            buckets: Buckets::utc(step),
            per_device: request.group_by.is_some(),
            remaining: Some(request.range),
            has_begun: false,
            stretch: 1,
            array: JsonArrayWriter::new(),
            version: None,
        }
    }

    /// Of which data they are the means, where they can be cached: all were read in one snapshot, of the past.
    pub fn version(&self) -> Option<DataVersion> {
        self.version.clone().filter(|_| self.is_complete())
    }

    /// The means of the next chunk; moves on behind it. Nothing is read beyond what is there at this moment.
    async fn read_chunk(
        &mut self,
        connection: &mut AsyncPgConnection,
        remaining: TimeRange,
    ) -> Result<Vec<Point>, ApiError> {
        let (source, scope) = (self.measures.source, self.scope);
        self.remaining = None;
        prepare_snapshot(connection, source).await?;
        let is_past = !self.has_begun && remaining.to < self.clock.now();
        self.version = if is_past { store::find_version(connection, source, scope, remaining).await? } else { None };
        let bounds = load_bounds(connection, source, scope, remaining).await?;
        let Some(TimeRange { from, to: last }) = bounds.clip(remaining) else { return Ok(Vec::new()) };
        let to = (last + TimeDelta::microseconds(1)).min(self.chunk_end(from, bounds.devices));
        let (measures, buckets, per_device) = (&self.measures, &self.buckets, self.per_device);
        let query = AggregateQuery { scope, measures, buckets, per_device, from, to };
        let points = load_points(connection, &query, &bounds).await?;
        self.remaining = (to <= last).then_some(TimeRange { from: to, to: remaining.to });
        let is_sparse = points.len() < FEW_POINTS;
        self.stretch = if is_sparse { self.stretch.saturating_mul(2).min(MAX_STRETCH) } else { 1 };
        Ok(points)
    }

    /// Where a chunk that begins at `from` ends: at the start of a bucket.
    fn chunk_end(&self, from: DateTime<Utc>, devices: i64) -> DateTime<Utc> {
        let (step, most) = (self.buckets.step, if self.per_device { ROLLUPS_PER_DEVICE } else { ROLLUPS_TOGETHER });
        let rollups = most.checked_div(devices).unwrap_or(most).clamp(1, POINTS_TOGETHER).saturating_mul(self.stretch);
        let minutes = if step == Step::Minute { rollups } else { rollups.saturating_mul(60) };
        let width = step.width();
        floor(from, width) + whole_widths(TimeDelta::minutes(minutes), width)
    }
}

/// `length` in whole `width`s, at least one.
fn whole_widths(length: TimeDelta, width: TimeDelta) -> TimeDelta {
    let widths = length.num_seconds().checked_div(width.num_seconds()).unwrap_or(1).max(1);
    width * i32::try_from(widths).unwrap_or(i32::MAX)
}

impl ChunkSource for MeanChunks {
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(remaining) = self.remaining else { return Ok(None) };
        let db = self.db.clone();
        let points = db
            .run(async |connection| {
                let mut transaction = connection.build_transaction().repeatable_read().read_only();
                transaction.run(async |connection| self.read_chunk(connection, remaining).await).await
            })
            .await?;
        self.has_begun = true;
        let written = PointWriter::new(&self.measures).and_then(|mut writer| writer.write(&mut self.array, &points));
        written.map_err(|error| ApiError::Internal(Box::new(error)))?;
        if self.remaining.is_none() {
            self.array.close();
        }
        Ok(Some(self.array.take_chunk()))
    }

    fn is_complete(&self) -> bool {
        self.remaining.is_none()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::whole_widths;

    #[test]
    fn a_chunk_has_whole_buckets_and_at_least_one() {
        let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
        assert_eq!(whole_widths(TimeDelta::minutes(150), hour), TimeDelta::hours(2));
        assert_eq!(whole_widths(TimeDelta::minutes(5), hour), hour);
        assert_eq!(whole_widths(TimeDelta::hours(50), day), TimeDelta::days(2));
    }
}
