//! What is asked for of all of a person's devices together, and what comes back.

use chrono::{DateTime, Utc};
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Double, Jsonb, Nullable, Timestamptz, Uuid};
use pulso_shared::ids::{DeviceId, IdError};
use pulso_shared::rollup::Source;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::aggregation::{Measures, Metric, Statistic, Step};
use crate::history::CustomMetrics;
use crate::http::error::FieldError;
use crate::http::extract::query::{parse, parse_range, parse_variant};
use crate::http::time_range::TimeRange;

/// Which readings are wanted, and what of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DataQuery {
    /// Only this server's, or any other device's: its ULID or UUID.
    #[param(value_type = Option<DeviceId>)]
    server_ulid: Option<String>,
    /// Oldest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T00:00:00Z")]
    start_time: Option<String>,
    /// Newest timestamp wanted, itself included (RFC 3339; without an offset UTC).
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T23:59:59Z")]
    end_time: Option<String>,
    /// Only this sensor, and the readings that have it.
    #[param(value_type = Option<SensorType>, inline)]
    sensor_type: Option<String>,
    /// One mean an interval instead of the readings.
    #[param(value_type = Option<Interval>, inline)]
    aggregation: Option<String>,
    /// With `aggregation`, one mean an interval and server. (The readings themselves always say whose they are.)
    #[param(value_type = Option<GroupBy>, inline)]
    group_by: Option<String>,
}

/// A sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SensorType {
    Temperature,
    Humidity,
    Voltage,
    Current,
}

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    Minute,
    Hour,
    Day,
}

/// What has means of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    Server,
}

/// A query that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataRequest {
    /// Only this device's readings.
    pub server: Option<DeviceId>,
    pub range: TimeRange,
    /// Only this sensor.
    pub sensor: Option<SensorType>,
    /// One mean an interval instead of the readings.
    pub aggregation: Option<Interval>,
    /// What has means of its own.
    pub group_by: Option<GroupBy>,
}

impl DataQuery {
    pub fn parse(&self) -> Result<DataRequest, Vec<FieldError>> {
        let mut faults = Vec::new();
        let server = parse(&mut faults, "server_ulid", self.server_ulid.as_deref(), &IdError.to_string());
        let (start, end) = (self.start_time.as_deref(), self.end_time.as_deref());
        let (start, end) = parse_range(&mut faults, ("start_time", start), ("end_time", end));
        let rule = format!("must be one of {}", Source::Readings.metrics().join(", "));
        let sensor = parse_variant(&mut faults, "sensor_type", self.sensor_type.as_deref(), &rule);
        let rule = "must be minute, hour or day";
        let aggregation = parse_variant(&mut faults, "aggregation", self.aggregation.as_deref(), rule);
        let group_by = parse_variant(&mut faults, "group_by", self.group_by.as_deref(), "must be server");
        if faults.is_empty() {
            Ok(DataRequest { server, range: TimeRange::between(start, end), sensor, aggregation, group_by })
        } else {
            Err(faults)
        }
    }
}

impl SensorType {
    /// Its column, which is also its name.
    pub fn column(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::Humidity => "humidity",
            Self::Voltage => "voltage",
            Self::Current => "current",
        }
    }
}

impl Interval {
    pub fn step(self) -> Step {
        match self {
            Self::Minute => Step::Minute,
            Self::Hour => Step::Hour,
            Self::Day => Step::Days(1),
        }
    }
}

impl DataRequest {
    /// The means of its sensors.
    pub fn measures(&self) -> Measures {
        let columns = match self.sensor {
            Some(sensor) => vec![sensor.column()],
            None => Source::Readings.metrics().to_vec(),
        };
        let metrics = columns.into_iter().map(Metric::Column).collect();
        Measures { source: Source::Readings, metrics, statistic: Statistic::Avg }
    }
}

/// A reading, or the means of an interval.
#[derive(Debug, Serialize, ToSchema, QueryableByName)]
pub struct DataRow {
    /// When it was measured, or the start of the interval.
    #[diesel(sql_type = Timestamptz)]
    #[schema(example = "2026-11-21T12:00:00Z")]
    pub timestamp: DateTime<Utc>,
    /// Whose it is; means of all servers together have none.
    #[diesel(sql_type = Uuid)]
    #[schema(required = false)]
    pub server_ulid: DeviceId,
    /// Temperature, °C.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 25.5)]
    pub temperature: Option<f64>,
    /// Relative humidity, %.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 60.2)]
    pub humidity: Option<f64>,
    /// Voltage, V.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 220.0)]
    pub voltage: Option<f64>,
    /// Current, A.
    #[diesel(sql_type = Nullable<Double>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1.5)]
    pub current: Option<f64>,
    /// Further numbers by name; never with `sensor_type` or `aggregation`.
    #[diesel(sql_type = Nullable<Jsonb>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, f64>>, example = json!({"pm2.5": 7}))]
    pub metrics: Option<CustomMetrics>,
}

#[cfg(test)]
mod tests {
    use pulso_shared::rollup::Source;

    use super::{DataQuery, Metric};

    #[test]
    fn every_fault_is_named() {
        let text = |text: &str| Some(text.to_owned());
        let query = DataQuery {
            server_ulid: text("x"),
            start_time: text("2026-01-02T00:00:00"),
            end_time: text("2026-01-01T00:00:00"),
            sensor_type: text("pressure"),
            aggregation: text("auto"),
            group_by: text("device"),
        };
        let faults = query.parse().unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/server_ulid", "/start_time", "/sensor_type", "/aggregation", "/group_by"]);
        assert_eq!(faults[1].detail, "Start time cannot be after end time");
    }

    #[test]
    fn each_sensor_can_be_asked_for_by_its_columns_name_and_is_then_the_only_one() {
        let all = DataQuery::default().parse().unwrap().measures();
        let names: Vec<_> = all.metrics.iter().map(Metric::name).collect();
        assert_eq!(names, Source::Readings.metrics());
        for sensor in Source::Readings.metrics() {
            let query = DataQuery { sensor_type: Some((*sensor).to_owned()), ..DataQuery::default() };
            assert_eq!(query.parse().unwrap().measures().metrics, [Metric::Column(sensor)]);
        }
    }
}
