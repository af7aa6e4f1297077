//! A device's sensor values.

use std::collections::BTreeMap;

use chrono::serde::ts_microseconds;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::quantity::{Amperes, Celsius, Percent, Scalar, Volts};
use crate::ids::DeviceId;

/// Most custom metrics in one reading.
pub const MAX_METRICS: usize = 32;

/// Longest name of a custom metric, in bytes: long enough for a dotted path, short enough for a column heading.
const MAX_METRIC_NAME_BYTES: usize = 64;

/// An invalid metric name; the text is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a metric's name must be 1 to 64 letters, digits, '_', '-', '.', ':' or '/'")]
pub struct MetricNameError;

/// The name of a custom metric, such as `pm2.5` or `tank/level`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricName(String);

impl MetricName {
    /// Whether a metric may have this name.
    #[must_use]
    pub fn allows(name: &str) -> bool {
        let allowed = |c: char| c.is_alphanumeric() || "_-.:/".contains(c);
        (1..=MAX_METRIC_NAME_BYTES).contains(&name.len()) && name.chars().all(allowed)
    }
}

impl TryFrom<String> for MetricName {
    type Error = MetricNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if Self::allows(&name) { Ok(Self(name)) } else { Err(MetricNameError) }
    }
}

impl From<MetricName> for String {
    fn from(name: MetricName) -> Self {
        name.0
    }
}

/// One reading of a device's sensors, with at least one number. The order of the fields is the wire format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Who sent it.
    pub device_id: DeviceId,
    /// When it was measured; with `device_id`, the reading's identity.
    #[serde(with = "ts_microseconds")]
    pub ts: DateTime<Utc>,
    /// Temperature, °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Celsius>,
    /// Relative humidity, %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity: Option<Percent>,
    /// Voltage, V.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Volts>,
    /// Current, A.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Amperes>,
    /// Custom metrics by name, at most [`MAX_METRICS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<MetricName, Scalar>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{MAX_METRIC_NAME_BYTES, MetricName, Reading};

    fn name(text: &str) -> Result<String, String> {
        MetricName::try_from(text.to_owned()).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn a_metric_name_is_kept_as_it_is() {
        let longest = "x".repeat(MAX_METRIC_NAME_BYTES);
        for good in ["pm2.5", "tank/level", "a", "0", "A-b_c:d", "füllstand", "温度", longest.as_str()] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn a_metric_name_is_neither_empty_nor_too_long_nor_of_other_characters() {
        let bytes = ["x".repeat(MAX_METRIC_NAME_BYTES + 1), "ü".repeat(MAX_METRIC_NAME_BYTES / 2 + 1)];
        let texts =
            ["", " ", "a b", "a\n", "a,b", "a\"b", "a=b", "a\u{200b}", "💧", bytes[0].as_str(), bytes[1].as_str()];
        for bad in texts {
            let says = "a metric's name must be 1 to 64 letters, digits, '_', '-', '.', ':' or '/'";
            assert_eq!(name(bad).unwrap_err(), says, "{bad:?}");
        }
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_instants_are_microseconds() {
        let value = json!({"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "ts": -1, "voltage": 230.0});
        let reading: Reading = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(reading.ts.timestamp_micros(), -1);
        assert_eq!((reading.temperature, reading.metrics.len()), (None, 0));
        assert_eq!(serde_json::to_value(&reading).unwrap(), value);
    }
}
