//! An item's faults, collected while its fields are read.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::telemetry::{MAX_METRICS, MetricName, QuantityError, Scalar};

use super::field::{Field, Named};
use super::ignored::{IgnoredNames, head};
use super::object::ObjectOr;
use super::time::TimeRules;
use super::values::{METRICS, RawMetrics, VALUES};
use crate::http::error::FieldError;
use crate::http::{epoch, timestamp};

/// A device's clock may run ahead of ours by this much.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// A device that started before this (2001) has none of our fields: such a number is an uptime.
const EARLIEST_NUMERIC_BOOT: DateTime<Utc> = match DateTime::from_timestamp(1_000_000_000, 0) {
    Some(instant) => instant,
    None => DateTime::UNIX_EPOCH,
};

/// What is wrong with an item.
#[derive(Debug)]
pub struct ItemFaults {
    /// The first fault's code.
    pub code: &'static str,
    /// As many of them as there was room for.
    pub listed: Vec<FieldError>,
    /// Whether that is all of them.
    pub is_complete: bool,
}

impl ItemFaults {
    /// A single fault.
    pub fn one(fault: FieldError) -> Self {
        Self { code: fault.code, listed: vec![fault], is_complete: true }
    }

    /// These faults behind another one.
    pub fn behind(first: FieldError, others: Option<Self>) -> Self {
        let Some(mut others) = others else { return Self::one(first) };
        others.code = first.code;
        others.listed.insert(0, first);
        others
    }
}

/// The faults found so far, and the names that nothing was made of. Its methods return a value to go on with, which counts
/// only while there are no faults.
pub struct Faults {
    /// How many may be listed.
    room: usize,
    found: Option<ItemFaults>,
    pub ignored: IgnoredNames,
}

impl Faults {
    /// Of which `room` are listed; the others cost nothing.
    pub fn listing(room: usize) -> Self {
        Self { room, found: None, ignored: IgnoredNames::default() }
    }

    /// `checked` and what was ignored, unless there are faults.
    pub fn unless<T>(self, checked: T) -> Result<(T, IgnoredNames), ItemFaults> {
        self.found.map_or(Ok((checked, self.ignored)), Err)
    }

    fn add(&mut self, name: &str, code: &'static str, detail: impl Display) {
        self.add_with(code, || FieldError::new(name, code, detail));
    }

    fn add_with(&mut self, code: &'static str, fault: impl FnOnce() -> FieldError) {
        let found = self.found.get_or_insert(ItemFaults { code, listed: Vec::new(), is_complete: true });
        if found.listed.len() < self.room {
            found.listed.push(fault());
        } else {
            found.is_complete = false;
        }
    }

    /// A fault of the item as a whole.
    pub fn whole(&mut self, code: &'static str, detail: &str) {
        self.add_with(code, || FieldError { pointer: String::new(), code, detail: detail.to_owned() });
    }

    /// That of an item nothing was understood, this name neither.
    pub fn unknown(&mut self, object: &str, name: &str, kind: &str) {
        let detail = format_args!("is no field of a {kind}");
        self.add_with("unknown_field", || FieldError::new(&pointer(object, name), "unknown_field", detail));
    }

    pub fn quantity<Q: TryFrom<f64, Error = QuantityError>>(&mut self, field: Option<&Named<'_>>) -> Option<Q> {
        let field = field?;
        let Some(value) = field.value.number() else {
            self.add(&field.name, "wrong_type", "must be a number");
            return None;
        };
        Q::try_from(value).map_err(|error| self.add(&field.name, "out_of_range", error)).ok()
    }

    pub fn flag(&mut self, field: Option<&Named<'_>>) -> Option<bool> {
        let field = field?;
        match field.value {
            Field::Bool(value) => Some(value),
            Field::Integer(0) | Field::Number(0.0) => Some(false),
            Field::Integer(1) | Field::Number(1.0) => Some(true),
            Field::Integer(_) | Field::Number(_) => {
                self.add(&field.name, "out_of_range", "must be 0 or 1");
                None
            }
            _ => {
                self.add(&field.name, "wrong_type", "must be 0, 1, true or false");
                None
            }
        }
    }

    fn instant(&mut self, field: &Named<'_>) -> Option<DateTime<Utc>> {
        let instant = match &field.value {
            Field::Text(text) => timestamp::parse(text).or_else(|_| epoch::from_text(text)),
            Field::Integer(count) => epoch::from_integer(*count),
            Field::Number(count) => epoch::from_number(*count),
            Field::Bool(_) | Field::Other => {
                self.add(&field.name, "wrong_type", "must be an RFC 3339 string, or a number of seconds since 1970");
                return None;
            }
        };
        let rule = "or a number of seconds, milliseconds, microseconds or nanoseconds since 1970";
        instant.map_err(|error| self.add(&field.name, "invalid", format_args!("{error}, {rule}"))).ok()
    }

    pub fn timestamp(&mut self, field: Option<&Named<'_>>, time: TimeRules<'_>) -> DateTime<Utc> {
        let Some(field) = field else { return time.given.next(time.now) };
        let Some(instant) = self.instant(field) else { return time.now };
        if instant > time.now + MAX_AHEAD {
            self.add(&field.name, "in_future", "is more than 5 minutes ahead of the server's clock");
        } else if instant < time.now - time.max_age {
            let days = time.max_age.num_days();
            self.add(&field.name, "too_old", format_args!("is older than {days} days, the oldest that is taken"));
        }
        instant
    }

    pub fn boot_time(&mut self, field: Option<&Named<'_>>, time: TimeRules<'_>) -> Option<DateTime<Utc>> {
        let field = field?;
        let instant = self.instant(field)?;
        if instant > time.now + MAX_AHEAD {
            self.add(&field.name, "in_future", "is more than 5 minutes ahead of the server's clock");
        } else if instant < DateTime::UNIX_EPOCH {
            self.add(&field.name, "out_of_range", "must not be before 1970");
        } else if field.value.number().is_some() && instant < EARLIEST_NUMERIC_BOOT {
            self.add(&field.name, "out_of_range", "must be since 1970, not since the start: this would be before 2001");
        }
        Some(instant)
    }

    /// The metrics of both objects; of a name that comes twice the first counts.
    pub fn metrics(
        &mut self,
        metrics: Option<&ObjectOr<RawMetrics<'_>>>,
        values: Option<&RawMetrics<'_>>,
    ) -> BTreeMap<MetricName, Scalar> {
        let mut all = BTreeMap::new();
        match metrics {
            Some(ObjectOr::Object(metrics)) => self.add_metrics(METRICS, metrics, &mut all),
            Some(ObjectOr::Other) => self.add("metrics", "wrong_type", "must be an object of numbers"),
            None => {}
        }
        if let Some(values) = values {
            self.add_metrics(VALUES, values, &mut all);
        }
        all
    }

    fn add_metrics(&mut self, object: &str, metrics: &RawMetrics<'_>, all: &mut BTreeMap<MetricName, Scalar>) {
        if metrics.0.len() <= MAX_METRICS {
            for field in &metrics.0 {
                let Some((name, value)) = self.metric(object, field) else { continue };
                if *all.entry(name).or_insert(value) != value {
                    self.ignored.add(object, &field.name);
                }
            }
        }
        if metrics.0.len().max(all.len()) > MAX_METRICS {
            let name = object.trim_end_matches('/');
            self.add(name, "too_many_items", format_args!("may hold at most {MAX_METRICS} numbers"));
        }
    }

    fn metric(&mut self, object: &str, field: &Named<'_>) -> Option<(MetricName, Scalar)> {
        let mut fault = |code, detail: &dyn Display| {
            self.add_with(code, || FieldError::new(&pointer(object, &field.name), code, detail));
        };
        let name = MetricName::try_from(field.name.clone().into_owned());
        let name = name.map_err(|error| fault("invalid", &error)).ok();
        let Some(value) = field.value.number() else {
            fault("wrong_type", &"must be a number");
            return None;
        };
        let value = Scalar::try_from(value).map_err(|error| fault("out_of_range", &error)).ok();
        name.zip(value)
    }
}

/// Where a field is that may have any name. Of a long one its head: it is faulty itself, or unknown.
fn pointer(object: &str, name: &str) -> String {
    format!("{object}{}", head(name).replace('~', "~0").replace('/', "~1"))
}
