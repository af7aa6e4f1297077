//! The numbers of a sensor reading whose names are its sender's own: `metrics`, and ThingsBoard's `values`.

use std::borrow::Cow;

use pulso_shared::telemetry::{MAX_METRICS, MetricName};
use serde::de::MapAccess;

use super::field::{Field, Named};
use super::ignored::UnknownNames;
use super::not_finite::is_not_finite;
use super::object::FromFields;

/// What stands before the name of a field in `metrics` or in `values`, in a pointer.
pub const METRICS: &str = "metrics/";
pub const VALUES: &str = "values/";

/// What `metrics` holds. One too many is kept, which is a fault already; a million would be memory.
#[derive(Debug, Default, PartialEq)]
pub struct RawMetrics<'a>(pub Vec<Named<'a>>);

/// What `values` holds: the sensors under their names; each other number, and each boolean as 0 or 1, is a metric.
#[derive(Debug, Default, PartialEq)]
pub struct RawValues<'a> {
    pub temperature: Option<Named<'a>>,
    pub humidity: Option<Named<'a>>,
    pub voltage: Option<Named<'a>>,
    pub current: Option<Named<'a>>,
    pub metrics: RawMetrics<'a>,
    pub unknown: UnknownNames<'a>,
}

impl<'a> RawMetrics<'a> {
    fn add(&mut self, name: Cow<'a, str>, value: Field<'a>) {
        if self.0.len() <= MAX_METRICS {
            self.0.push(Named { name, value });
        }
    }
}

impl<'de> FromFields<'de> for RawMetrics<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error> {
        if let Some(value) = fields.next_value()? {
            self.add(name, value);
        }
        Ok(())
    }
}

impl<'de> FromFields<'de> for RawValues<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error> {
        let Some(value) = fields.next_value::<Option<Field<'de>>>()? else { return Ok(()) };
        let (slot, pointer) = match name.as_ref() {
            "temperature" => (&mut self.temperature, "values/temperature"),
            "humidity" => (&mut self.humidity, "values/humidity"),
            "voltage" => (&mut self.voltage, "values/voltage"),
            "current" => (&mut self.current, "values/current"),
            _ => {
                self.take_metric(name, value);
                return Ok(());
            }
        };
        if Named::put(slot, Cow::Borrowed(pointer), value).is_err() {
            self.unknown.add(name);
        }
        Ok(())
    }
}

impl<'a> RawValues<'a> {
    /// Whether there is no number in it.
    pub fn is_empty(&self) -> bool {
        let sensors = [&self.temperature, &self.humidity, &self.voltage, &self.current];
        self.metrics.0.is_empty() && sensors.into_iter().all(Option::is_none)
    }

    /// A text or an object is no number, and is not meant to be; a `NaN` is.
    fn take_metric(&mut self, name: Cow<'a, str>, value: Field<'a>) {
        let number = match value {
            Field::Bool(flag) => Some(Field::Integer(i64::from(flag))),
            Field::Integer(_) | Field::Number(_) => Some(value),
            Field::Text(text) if is_not_finite(text.as_bytes()) => Some(Field::Text(text)),
            Field::Text(_) | Field::Other => None,
        };
        match number.filter(|_| MetricName::allows(&name)) {
            Some(number) => self.metrics.add(name, number),
            None => self.unknown.add(name),
        }
    }
}
