//! What is asked for of all of a person's devices together.

use chrono::{DateTime, Utc};
use pulso_shared::ids::{DeviceId, IdError};
use pulso_shared::rollup::Source;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::grid::Step;
use super::measure::{Measure, Metric, Stat};
use super::types::{named, parse_range};
use crate::http::error::FieldError;

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
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document; the names are those of the columns")]
enum SensorType {
    Temperature,
    Humidity,
    Voltage,
    Current,
}

/// An interval.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document; what is parsed is a Step")]
enum Interval {
    Minute,
    Hour,
    Day,
}

/// What has means of its own.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document; there is only the one")]
enum GroupBy {
    Server,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataWanted {
    /// Whose, where not everybody's.
    pub server: Option<DeviceId>,
    /// The oldest instant.
    pub from: DateTime<Utc>,
    /// The newest instant.
    pub to: DateTime<Utc>,
    /// Which sensor, where not all.
    pub sensor: Option<&'static str>,
    /// The step of the means, where they are wanted.
    pub step: Option<Step>,
    /// Whether each server has means of its own.
    pub per_server: bool,
}

impl DataQuery {
    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self) -> Result<DataWanted, Vec<FieldError>> {
        let mut faults = Vec::new();
        let expected = IdError.to_string();
        let server =
            named(&mut faults, "server_ulid", self.server_ulid.as_deref(), &expected, |text| text.parse().ok());
        let (start, end) = (self.start_time.as_deref(), self.end_time.as_deref());
        let (from, to) = parse_range(&mut faults, ("start_time", start), ("end_time", end));
        let sensors = Source::Readings.metrics();
        let expected = format!("must be one of {}", sensors.join(", "));
        let sensor = named(&mut faults, "sensor_type", self.sensor_type.as_deref(), &expected, |text| {
            sensors.iter().copied().find(|sensor| *sensor == text)
        });
        let expected = "must be minute, hour or day";
        let step = named(&mut faults, "aggregation", self.aggregation.as_deref(), expected, step_named);
        let group_by = named(&mut faults, "group_by", self.group_by.as_deref(), "must be server", |text| {
            (text == "server").then_some(())
        });
        if faults.is_empty() {
            Ok(DataWanted { server, from, to, sensor, step, per_server: group_by.is_some() })
        } else {
            Err(faults)
        }
    }
}

fn step_named(name: &str) -> Option<Step> {
    match name {
        "minute" => Some(Step::Minute),
        "hour" => Some(Step::Hour),
        "day" => Some(Step::Days(1)),
        _ => None,
    }
}

impl DataWanted {
    /// The means of its sensors.
    #[must_use]
    pub fn measure(&self) -> Measure {
        let wanted = |column: &&&'static str| self.sensor.is_none_or(|sensor| sensor == **column);
        let metrics = Source::Readings.metrics().iter().filter(wanted).map(|column| Metric::Column(column)).collect();
        Measure { source: Source::Readings, metrics, stat: Stat::Avg }
    }
}

#[cfg(test)]
mod tests {
    use super::DataQuery;

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
    fn a_sensor_asked_for_is_the_only_one() {
        let all = DataQuery::default().parse().unwrap();
        assert_eq!(all.measure().metrics.len(), 4);
        let one = DataQuery { sensor_type: Some("voltage".to_owned()), ..DataQuery::default() }.parse().unwrap();
        assert_eq!(one.measure().metrics.iter().map(super::Metric::name).collect::<Vec<_>>(), ["voltage"]);
    }
}
