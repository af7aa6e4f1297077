//! An item's faults, collected while its fields are read.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::telemetry::{MAX_METRICS, MetricName, QuantityError, Scalar};

use super::field::{Field, Named};
use super::raw::RawMetrics;
use super::time::TimeRules;
use crate::http::error::FieldError;
use crate::http::timestamp;

/// A device's clock may run ahead of ours by this much.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// Longest part of a metric's name in a pointer, in characters: longer names are faulty themselves.
const MAX_NAME_CHARS: usize = 64;

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

/// The faults found so far. Its methods return a value to go on with, which counts only while there are none.
pub struct Faults {
    /// How many may be listed.
    room: usize,
    found: Option<ItemFaults>,
}

impl Faults {
    /// Of which `room` are listed; the others cost nothing.
    pub fn listing(room: usize) -> Self {
        Self { room, found: None }
    }

    /// `checked`, unless there are faults.
    pub fn unless<T>(self, checked: T) -> Result<T, ItemFaults> {
        self.found.map_or(Ok(checked), Err)
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

    pub fn quantity<Q: TryFrom<f64, Error = QuantityError>>(&mut self, field: Option<&Named<'_>>) -> Option<Q> {
        let field = field?;
        let Field::Number(value) = field.value else {
            self.add(&field.name, "wrong_type", "must be a number");
            return None;
        };
        Q::try_from(value).map_err(|error| self.add(&field.name, "out_of_range", error)).ok()
    }

    pub fn flag(&mut self, field: Option<&Named<'_>>) -> Option<bool> {
        let field = field?;
        match field.value {
            Field::Bool(value) => Some(value),
            Field::Number(0.0) => Some(false),
            Field::Number(1.0) => Some(true),
            Field::Number(_) => {
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
        let Field::Text(text) = &field.value else {
            self.add(&field.name, "wrong_type", "must be an RFC 3339 string");
            return None;
        };
        timestamp::parse(text).map_err(|error| self.add(&field.name, "invalid", error)).ok()
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
        }
        Some(instant)
    }

    pub fn metrics(&mut self, metrics: Option<&RawMetrics<'_>>) -> BTreeMap<MetricName, Scalar> {
        let fields = match metrics {
            None => return BTreeMap::new(),
            Some(RawMetrics::Object(fields)) => fields,
            Some(RawMetrics::Other) => {
                self.add("metrics", "wrong_type", "must be an object of numbers");
                return BTreeMap::new();
            }
        };
        if fields.len() > MAX_METRICS {
            self.add("metrics", "too_many_items", format_args!("may hold at most {MAX_METRICS} numbers"));
            return BTreeMap::new();
        }
        let mut metrics = BTreeMap::new();
        for (name, value) in fields.iter().filter_map(|field| self.metric(field)) {
            metrics.entry(name).or_insert(value);
        }
        metrics
    }

    fn metric(&mut self, field: &Named<'_>) -> Option<(MetricName, Scalar)> {
        let mut fault = |code, detail: &dyn Display| {
            self.add_with(code, || FieldError::new(&metric_pointer(&field.name), code, detail));
        };
        let name = MetricName::try_from(field.name.clone().into_owned());
        let name = name.map_err(|error| fault("invalid", &error)).ok();
        let Field::Number(value) = field.value else {
            fault("wrong_type", &"must be a number");
            return None;
        };
        let value = Scalar::try_from(value).map_err(|error| fault("out_of_range", &error)).ok();
        name.zip(value)
    }
}

fn metric_pointer(name: &str) -> String {
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    format!("metrics/{}", name.replace('~', "~0").replace('/', "~1"))
}
