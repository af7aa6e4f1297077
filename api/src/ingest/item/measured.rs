//! The rules: from a [`RawItem`] to what it measured, or to every fault of it at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{
    Amperes, Celsius, Heartbeat, MetricName, Milliseconds, Percent, QuantityError, Reading, Scalar, Volts,
};

use super::faults::{Faults, ItemFaults};
use super::field::Named;
use super::ignored::IgnoredNames;
use super::kind::{self, Kind};
use super::raw::RawItem;
use super::time::TimeRules;
use super::values::VALUES;

/// A valid item. Whose it is, is no rule of the item: [`Measured::add_to`] says so.
#[derive(Debug, PartialEq)]
pub struct Measured {
    ts: DateTime<Utc>,
    temperature: Option<Celsius>,
    values: Values,
}

#[derive(Debug, PartialEq)]
enum Values {
    Heartbeat {
        cpu_usage: Option<Percent>,
        ram_usage: Option<Percent>,
        disk_free: Option<Percent>,
        latency: Option<Milliseconds>,
        connectivity: Option<bool>,
        boot_time: Option<DateTime<Utc>>,
    },
    Reading {
        humidity: Option<Percent>,
        voltage: Option<Volts>,
        current: Option<Amperes>,
        metrics: BTreeMap<MetricName, Scalar>,
    },
}

impl Measured {
    /// Adds the item to `submission`, as one of `device_id`'s.
    pub fn add_to(self, submission: &mut Submission, device_id: DeviceId) {
        let Self { ts, temperature, values } = self;
        match values {
            Values::Heartbeat { cpu_usage, ram_usage, disk_free, latency, connectivity, boot_time } => {
                submission.heartbeats.push(Heartbeat {
                    device_id,
                    ts,
                    cpu_usage,
                    ram_usage,
                    disk_free,
                    temperature,
                    latency,
                    connectivity,
                    boot_time,
                });
            }
            Values::Reading { humidity, voltage, current, metrics } => {
                submission.readings.push(Reading { device_id, ts, temperature, humidity, voltage, current, metrics });
            }
        }
    }
}

/// Checks an item against every rule that does not depend on its device: what it measured, and which of its names were
/// ignored; the error lists up to `room` of its faults.
pub fn check(
    raw: &RawItem<'_>,
    kind: Kind,
    time: TimeRules<'_>,
    room: usize,
) -> Result<(Measured, IgnoredNames), ItemFaults> {
    let mut faults = Faults::listing(room);
    let is_reading = kind.is_reading(raw, &mut faults);
    let ts = faults.timestamp(raw.timestamp.as_ref(), time);
    let measured = if is_reading { reading(raw, ts, &mut faults) } else { heartbeat(raw, ts, time, &mut faults) };
    if kind::is_empty(raw, is_reading) {
        // A heartbeat that holds nothing says "alive"; what is not understood says something else.
        let kind = if is_reading { "sensor reading" } else { "heartbeat" };
        raw.tell_unknown(is_reading, |object, name| faults.unknown(object, name, kind));
    }
    raw.tell_unknown(is_reading, |object, name| faults.ignored.add(object, name));
    faults.unless(measured)
}

// Faults are told in the order in which the fields are read here.

fn heartbeat(raw: &RawItem<'_>, ts: DateTime<Utc>, time: TimeRules<'_>, faults: &mut Faults) -> Measured {
    let (cpu_usage, ram_usage) = (faults.quantity(raw.cpu_usage.as_ref()), faults.quantity(raw.ram_usage.as_ref()));
    let disk_free = faults.quantity(raw.disk_free.as_ref());
    let temperature = faults.quantity(raw.temperature.as_ref());
    let latency = faults.quantity(raw.latency.as_ref());
    let connectivity = faults.flag(raw.connectivity.as_ref());
    let boot_time = faults.boot_time(raw.boot_time.as_ref(), time);
    let values = Values::Heartbeat { cpu_usage, ram_usage, disk_free, latency, connectivity, boot_time };
    Measured { ts, temperature, values }
}

fn reading(raw: &RawItem<'_>, ts: DateTime<Utc>, faults: &mut Faults) -> Measured {
    let values = raw.values.as_deref();
    let temperature = sensor(raw.temperature.as_ref(), values.and_then(|values| values.temperature.as_ref()), faults);
    let humidity = sensor(raw.humidity.as_ref(), values.and_then(|values| values.humidity.as_ref()), faults);
    let voltage = sensor(raw.voltage.as_ref(), values.and_then(|values| values.voltage.as_ref()), faults);
    let current = sensor(raw.current.as_ref(), values.and_then(|values| values.current.as_ref()), faults);
    let metrics = faults.metrics(raw.metrics.as_ref(), values.map(|values| &values.metrics));
    if kind::is_empty(raw, true) {
        faults.whole("required", "needs at least one of temperature, humidity, voltage, current and metrics");
    }
    Measured { ts, temperature, values: Values::Reading { humidity, voltage, current, metrics } }
}

/// A sensor's value, from the reading itself or else from its `values`.
fn sensor<Q: TryFrom<f64, Error = QuantityError>>(
    own: Option<&Named<'_>>,
    of_values: Option<&Named<'_>>,
    faults: &mut Faults,
) -> Option<Q> {
    if let (Some(own), Some(other)) = (own, of_values)
        && own.value != other.value
    {
        faults.ignored.add(VALUES, &own.name);
    }
    faults.quantity(own.or(of_values))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::super::body::{Body, parse};
    use super::super::time::GivenTimestamps;
    use super::{ItemFaults, Kind, Measured, TimeRules, Values, check};
    use crate::http::error::MAX_FAULTS;

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn outcome(body: &str, kind: Kind) -> Result<Measured, Vec<(String, &'static str)>> {
        let Ok(Body::Single(raw)) = parse(body.as_bytes()) else { panic!("one item: {body}") };
        let given = GivenTimestamps::default();
        let time = TimeRules { now: now(), max_age: TimeDelta::days(3_650), given: &given };
        let faults = check(&raw, kind, time, MAX_FAULTS);
        let listed = |faults: ItemFaults| faults.listed.into_iter().map(|fault| (fault.pointer, fault.code)).collect();
        faults.map(|(measured, _)| measured).map_err(listed)
    }

    fn ignored(body: &str, kind: Kind) -> Vec<String> {
        let Ok(Body::Single(raw)) = parse(body.as_bytes()) else { panic!("one item: {body}") };
        let given = GivenTimestamps::default();
        let time = TimeRules { now: now(), max_age: TimeDelta::days(3_650), given: &given };
        check(&raw, kind, time, MAX_FAULTS).unwrap().1.into_vec()
    }

    #[test]
    fn beyond_the_room_faults_are_found_but_not_told() {
        let Ok(Body::Single(raw)) = parse(br#"{"cpu": 101, "ram": 101, "latency": -1}"#) else { panic!("one item") };
        let given = GivenTimestamps::default();
        let time = TimeRules { now: now(), max_age: TimeDelta::days(1), given: &given };
        for (room, is_complete) in [(0, false), (2, false), (3, true)] {
            let faults = check(&raw, Kind::Heartbeat, time, room).unwrap_err();
            assert_eq!((faults.code, faults.listed.len(), faults.is_complete), ("out_of_range", room, is_complete));
        }
    }

    #[test]
    fn a_pointer_holds_the_beginning_of_a_long_name() {
        let body = format!(r#"{{"metrics": {{"{}": 1}}}}"#, "~".repeat(900_000));
        let faults = outcome(&body, Kind::Reading).unwrap_err();
        assert_eq!(faults, [(format!("/metrics/{}", "~0".repeat(64)), "invalid")]);
    }

    #[test]
    fn an_empty_heartbeat_says_alive_now() {
        let measured = outcome("{}", Kind::Heartbeat).unwrap();
        let Values::Heartbeat { cpu_usage, .. } = measured.values else { panic!("a heartbeat") };
        assert_eq!((measured.ts, cpu_usage), (now(), None));
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
            ("/boot_date", "out_of_range"),
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
        let Values::Reading { metrics, .. } = outcome(body, Kind::Reading).unwrap().values else { panic!("a reading") };
        assert_eq!(metrics.into_values().map(f64::from).collect::<Vec<_>>(), [1.0]);
    }

    #[test]
    fn a_name_that_means_nothing_is_told_and_null_is_no_field() {
        let body =
            r#"{"cpu": 1, "cpuUsage": 2, "fan": 3, "humidity": 4, "metrics": {"a": 1}, "values": {"b": 1}, "x": null}"#;
        assert_eq!(ignored(body, Kind::Heartbeat), ["cpuUsage", "fan", "humidity", "metrics", "values"]);
        assert_eq!(ignored(body, Kind::Reading), ["cpu", "cpuUsage", "fan"]);
        assert_eq!(ignored(r#"{"ts": 1795262400, "note": null}"#, Kind::Heartbeat), <[&str; 0]>::default());
    }

    #[test]
    fn an_item_of_which_nothing_is_known_is_refused_at_each_name() {
        let faults = |body: &str| outcome(body, Kind::Heartbeat).unwrap_err();
        assert_eq!(faults(r#"{"device_id": "x", "a~b": 1}"#), [("/a~0b".to_owned(), "unknown_field")]);
        assert_eq!(
            faults(r#"{"values": {"unit": "C"}}"#),
            [(String::new(), "required"), ("/values/unit".to_owned(), "unknown_field")]
        );
    }

    #[test]
    fn what_an_item_holds_decides_its_kind() {
        let is_reading = |body: &str| matches!(outcome(body, Kind::Either).unwrap().values, Values::Reading { .. });
        assert!(is_reading(r#"{"temperature": 20}"#));
        assert!(is_reading(r#"{"humidity": 20, "temperature": 3}"#));
        assert!(!is_reading(r#"{"cpu": 20, "temperature": 3}"#));
        assert!(!is_reading("{}"));
        assert_eq!(outcome(r#"{"cpu": 1, "humidity": 1}"#, Kind::Either).unwrap_err(), [(String::new(), "mixed")]);
    }
}
