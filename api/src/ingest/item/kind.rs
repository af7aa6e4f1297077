//! Heartbeats and sensor readings: what tells an item of the one kind from one of the other.

use super::faults::Faults;
use super::object::ObjectOr;
use super::raw::RawItem;
use super::values::RawValues;

/// Which kind of item a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Heartbeat,
    Reading,
    /// Either; the item's fields decide.
    Either,
}

impl Kind {
    /// Whether an item on such a route is a reading.
    pub fn is_reading(self, raw: &RawItem<'_>, faults: &mut Faults) -> bool {
        match self {
            // ThingsBoard's form, unless it is a heartbeat by its own fields.
            Self::Heartbeat => raw.values.is_some() && raw.of_heartbeat().next().is_none(),
            Self::Reading => true,
            Self::Either => looks_like_reading(raw, faults),
        }
    }
}

/// Humidity, voltage, current, `metrics` and `values` are a sensor's; so is a temperature on its own.
fn looks_like_reading(raw: &RawItem<'_>, faults: &mut Faults) -> bool {
    let is_heartbeat = raw.of_heartbeat().next().is_some();
    let is_reading = raw.metrics.is_some() || raw.values.is_some() || raw.of_reading().next().is_some();
    if is_heartbeat && is_reading {
        faults.whole("mixed", "holds a heartbeat's fields and a sensor reading's; send them one by one");
    }
    is_reading || (!is_heartbeat && raw.temperature.is_some())
}

/// Whether there is nothing in an item that one of its kind measures.
pub fn is_empty(raw: &RawItem<'_>, is_reading: bool) -> bool {
    raw.temperature.is_none() && if is_reading { has_no_number(raw) } else { raw.of_heartbeat().next().is_none() }
}

fn has_no_number(raw: &RawItem<'_>) -> bool {
    let no_metric = match &raw.metrics {
        None => true,
        Some(ObjectOr::Object(metrics)) => metrics.0.is_empty(),
        Some(ObjectOr::Other) => false,
    };
    let no_value = raw.values.as_deref().is_none_or(RawValues::is_empty);
    no_metric && no_value && raw.of_reading().next().is_none()
}
