//! The rules: from what came to a [`Heartbeat`] or a [`Reading`], with every fault of an item told at once.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, Reading};

use super::body::{RawItem, RawMetrics};
use super::faults::Faults;
use crate::http::error::FieldError;

/// What the clock has to say about timestamps.
#[derive(Debug, Clone, Copy)]
pub struct TimeRules<'a> {
    /// When the request came.
    pub now: DateTime<Utc>,
    /// Oldest timestamp taken.
    pub max_age: TimeDelta,
    /// Where readings that bring no timestamp get theirs.
    pub given: &'a GivenTimestamps,
}

/// Timestamps for readings that bring none, no two alike: each of them is a reading of its own, and a row is known by
/// its device and its timestamp.
#[derive(Debug, Default)]
pub struct GivenTimestamps {
    /// The newest one given, µs since 1970.
    last: AtomicI64,
}

impl GivenTimestamps {
    /// The present instant, or the first microsecond after it that has not been given yet.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let now_us = now.timestamp_micros();
        let following = |last: i64| Some(now_us.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, following).unwrap_or(now_us);
        DateTime::from_timestamp_micros(now_us.max(last.saturating_add(1))).unwrap_or(now)
    }
}

/// What an item turned out to be.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A heartbeat.
    Heartbeat(Heartbeat),
    /// A sensor reading.
    Reading(Reading),
}

/// Which kind a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Heartbeats.
    Heartbeat,
    /// Sensor readings.
    Reading,
    /// Either; what it holds decides.
    Either,
}

/// Checks an item of a known device.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(raw: &RawItem<'_>, device_id: DeviceId, kind: Kind, time: TimeRules<'_>) -> Result<Item, Vec<FieldError>> {
    let mut faults = Faults::default();
    let item = match kind {
        Kind::Heartbeat => Item::Heartbeat(heartbeat(raw, device_id, time, &mut faults)),
        Kind::Reading => Item::Reading(reading(raw, device_id, time, &mut faults)),
        Kind::Either => either(raw, device_id, time, &mut faults),
    };
    faults.unless(item)
}

/// Humidity, voltage, current and `metrics` are a sensor's; so is a temperature on its own.
fn either(raw: &RawItem<'_>, device_id: DeviceId, time: TimeRules<'_>, faults: &mut Faults) -> Item {
    let of_device = [&raw.cpu_usage, &raw.ram_usage, &raw.disk_free, &raw.latency, &raw.connectivity, &raw.boot_time];
    let of_sensor = [&raw.humidity, &raw.voltage, &raw.current];
    let is_heartbeat = of_device.iter().any(|field| field.is_some());
    let is_reading = raw.metrics.is_some() || of_sensor.iter().any(|field| field.is_some());
    if is_heartbeat && is_reading {
        faults.whole("mixed", "holds a heartbeat's fields and a sensor reading's; send them one by one");
    }
    if is_reading || (!is_heartbeat && raw.temperature.is_some()) {
        Item::Reading(reading(raw, device_id, time, faults))
    } else {
        Item::Heartbeat(heartbeat(raw, device_id, time, faults))
    }
}

fn heartbeat(raw: &RawItem<'_>, device_id: DeviceId, time: TimeRules<'_>, faults: &mut Faults) -> Heartbeat {
    Heartbeat {
        device_id,
        ts: faults.timestamp(raw.timestamp.as_ref(), time),
        cpu_usage: faults.quantity(raw.cpu_usage.as_ref()),
        ram_usage: faults.quantity(raw.ram_usage.as_ref()),
        disk_free: faults.quantity(raw.disk_free.as_ref()),
        temperature: faults.quantity(raw.temperature.as_ref()),
        latency: faults.quantity(raw.latency.as_ref()),
        connectivity: faults.flag(raw.connectivity.as_ref()),
        boot_time: faults.boot_time(raw.boot_time.as_ref(), time),
    }
}

fn reading(raw: &RawItem<'_>, device_id: DeviceId, time: TimeRules<'_>, faults: &mut Faults) -> Reading {
    let reading = Reading {
        device_id,
        ts: faults.timestamp(raw.timestamp.as_ref(), time),
        temperature: faults.quantity(raw.temperature.as_ref()),
        humidity: faults.quantity(raw.humidity.as_ref()),
        voltage: faults.quantity(raw.voltage.as_ref()),
        current: faults.quantity(raw.current.as_ref()),
        metrics: faults.metrics(raw.metrics.as_ref()),
    };
    let sensors = [&raw.temperature, &raw.humidity, &raw.voltage, &raw.current];
    let no_metric = match &raw.metrics {
        None => true,
        Some(RawMetrics::Object(metrics)) => metrics.is_empty(),
        Some(RawMetrics::Other) => false,
    };
    if no_metric && sensors.iter().all(|field| field.is_none()) {
        faults.whole("required", "needs at least one of temperature, humidity, voltage, current and metrics");
    }
    reading
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use pulso_shared::ids::DeviceId;

    use super::super::body::{Body, parse};
    use super::{GivenTimestamps, Item, Kind, TimeRules, check};

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn outcome(body: &str, kind: Kind) -> Result<Item, Vec<(String, &'static str)>> {
        let Ok(Body::Single(raw)) = parse(body.as_bytes()) else { panic!("one item: {body}") };
        let given = GivenTimestamps::default();
        let time = TimeRules { now: now(), max_age: TimeDelta::days(3_650), given: &given };
        check(&raw, DeviceId::generate(), kind, time)
            .map_err(|faults| faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect())
    }

    #[test]
    fn an_empty_heartbeat_says_alive_now() {
        let Ok(Item::Heartbeat(heartbeat)) = outcome("{}", Kind::Heartbeat) else { panic!("a heartbeat") };
        assert_eq!((heartbeat.ts, heartbeat.cpu_usage), (now(), None));
    }

    #[test]
    fn no_two_given_timestamps_are_alike() {
        let given = GivenTimestamps::default();
        let second = now() + TimeDelta::microseconds(1);
        assert_eq!(
            [given.next(now()), given.next(now()), given.next(second)],
            [now(), second, second + TimeDelta::microseconds(1)]
        );
    }

    #[test]
    fn all_faults_are_told_at_once_under_the_names_that_came() {
        let body = r#"{"cpu": 101, "ram": "60", "free_disk": -1, "temperature": [], "latency_ms": true,
                       "is_connected": 2, "boot_date": 5, "timestamp": "yesterday"}"#;
        let faults = outcome(body, Kind::Heartbeat).unwrap_err();
        let expected = [
            ("/timestamp", "invalid"),
            ("/cpu", "out_of_range"),
            ("/ram", "wrong_type"),
            ("/free_disk", "out_of_range"),
            ("/temperature", "wrong_type"),
            ("/latency_ms", "wrong_type"),
            ("/is_connected", "out_of_range"),
            ("/boot_date", "wrong_type"),
        ];
        assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn timestamps_have_their_limits() {
        let code = |timestamp: &str| {
            outcome(&format!("{{\"timestamp\": \"{timestamp}\"}}"), Kind::Heartbeat).map_err(|faults| faults[0].1).err()
        };
        assert_eq!(code("2026-11-21T12:05:00Z"), None);
        assert_eq!(code("2026-11-21T12:05:01Z"), Some("in_future"));
        assert_eq!(code("2016-11-23T12:00:00Z"), None);
        assert_eq!(code("2016-11-23T11:59:59Z"), Some("too_old"));
        assert_eq!(code("1970-01-01T00:00:00Z"), Some("too_old"));
        assert_eq!(code("2099-01-01T00:00:00Z"), Some("in_future"));
    }

    #[test]
    fn a_reading_needs_a_number_and_zero_is_one() {
        assert_eq!(outcome("{}", Kind::Reading).unwrap_err(), [(String::new(), "required")]);
        assert!(outcome(r#"{"temperature": null, "voltage": 0}"#, Kind::Reading).is_ok());
        assert!(outcome(r#"{"metrics": {"pm2.5": 7}}"#, Kind::Reading).is_ok());
    }

    #[test]
    fn metric_names_and_values_have_rules() {
        let faults = outcome(r#"{"metrics": {"a\u0000b": 1, "a/b": "x", "": 1}}"#, Kind::Reading).unwrap_err();
        let codes: Vec<_> = faults.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
        assert_eq!(codes, [("/metrics/a\0b", "invalid"), ("/metrics/a~1b", "wrong_type"), ("/metrics/", "invalid")]);
    }

    #[test]
    fn of_a_metric_that_comes_twice_the_first_that_is_not_null_counts() {
        let body = r#"{"metrics": {"a": null, "a": 1, "a": 2}}"#;
        let Ok(Item::Reading(reading)) = outcome(body, Kind::Reading) else { panic!("a reading") };
        assert_eq!(reading.metrics.into_values().map(f64::from).collect::<Vec<_>>(), [1.0]);
    }

    #[test]
    fn what_an_item_holds_decides_its_kind() {
        let is_reading = |body: &str| matches!(outcome(body, Kind::Either), Ok(Item::Reading(_)));
        assert!(is_reading(r#"{"temperature": 20}"#));
        assert!(is_reading(r#"{"humidity": 20, "temperature": 3}"#));
        assert!(!is_reading(r#"{"cpu": 20, "temperature": 3}"#));
        assert!(!is_reading("{}"));
        assert_eq!(outcome(r#"{"cpu": 1, "humidity": 1}"#, Kind::Either).unwrap_err(), [(String::new(), "mixed")]);
    }
}
