//! What is aggregated, and what there is to aggregate.

use chrono::{DateTime, Utc};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Array, BigInt, Double, Nullable, Timestamptz, Uuid};
use pulso_shared::ids::DeviceId;

use super::buckets::Buckets;
use super::statistic::Measures;
use crate::http::time_range::TimeRange;
use crate::ids::UserId;

/// Whose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Device(DeviceId),
    /// All devices of an owner.
    Owner(UserId),
}

impl Scope {
    /// The device's or the owner's id.
    pub fn id(self) -> pulso_shared::ids::Uuid {
        match self {
            Self::Device(device) => device.as_uuid(),
            Self::Owner(owner) => owner.as_uuid(),
        }
    }
}

/// Aggregates of the rows from `from` up to, but not including, `to`.
pub struct AggregateQuery<'a> {
    pub scope: Scope,
    pub measures: &'a Measures,
    pub buckets: &'a Buckets,
    /// Whether each device has points of its own.
    pub per_device: bool,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Which rows and rollups there are of a scope.
#[derive(Debug, QueryableByName)]
pub struct DataBounds {
    /// The rollup watermark: rollups are computed up to here.
    #[diesel(sql_type = Timestamptz)]
    pub rolled_until: DateTime<Utc>,
    /// Raw rows older than this have been deleted.
    #[diesel(sql_type = Timestamptz)]
    pub raw_from: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest_rollup: Option<DateTime<Utc>>,
    /// The oldest and the newest hour that late rows have changed since it was rolled up.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest_dirty: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub newest_dirty: Option<DateTime<Utc>>,
    /// The newest row.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub newest: Option<DateTime<Utc>>,
    /// Devices in the scope.
    #[diesel(sql_type = BigInt)]
    pub devices: i64,
}

impl DataBounds {
    /// The part of `range` in which there may be rows.
    pub fn clip(&self, range: TimeRange) -> Option<TimeRange> {
        let rolled = self.oldest_rollup.unwrap_or(self.rolled_until).min(self.rolled_until);
        let oldest = self.oldest_dirty.map_or(rolled, |dirty| dirty.min(rolled));
        let (from, to) = (range.from.max(oldest), range.to.min(self.newest?));
        (from <= to).then_some(TimeRange { from, to })
    }
}

/// A bucket's statistics.
#[derive(Debug, QueryableByName)]
pub struct Point {
    /// The bucket's start.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// The device, where each has points of its own.
    #[diesel(sql_type = Nullable<Uuid>)]
    pub device_id: Option<DeviceId>,
    /// One value a metric; `None` where there are no numbers.
    #[diesel(sql_type = Array<Nullable<Double>>)]
    pub values: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::DataBounds;
    use crate::http::time_range::TimeRange;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_range_is_clipped_to_where_there_may_be_rows() {
        let bounds = DataBounds {
            rolled_until: at(10),
            raw_from: at(0),
            oldest_rollup: Some(at(4)),
            oldest_dirty: None,
            newest_dirty: None,
            newest: Some(at(12)),
            devices: 1,
        };
        let clip = |bounds: &DataBounds| bounds.clip(TimeRange::ALL).map(|range| (range.from, range.to));
        assert_eq!(clip(&bounds), Some((at(4), at(12))));
        assert_eq!(clip(&DataBounds { oldest_rollup: None, ..bounds }), Some((at(10), at(12))));
        let late = DataBounds { oldest_dirty: Some(at(2)), oldest_rollup: Some(at(4)), ..bounds };
        assert_eq!(clip(&late), Some((at(2), at(12))));
        assert_eq!(late.clip(TimeRange { from: at(13), to: at(14) }), None);
        assert_eq!(clip(&DataBounds { newest: None, ..bounds }), None);
    }
}
