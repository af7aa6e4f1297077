//! An item's faults, collected while its fields are read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::telemetry::{MAX_METRICS, MetricName, QuantityError, Scalar};

use super::field::{Field, Named};
use super::raw::RawMetrics;
use super::time::TimeRules;
use crate::http::error::FieldError;
use crate::http::timestamp;

/// A device's clock may run ahead of ours by this much.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// The faults found so far. Its methods return a value to go on with, which counts only while there are none.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// `checked`, unless there are faults.
    pub fn unless<T>(self, checked: T) -> Result<T, Vec<FieldError>> {
        if self.0.is_empty() { Ok(checked) } else { Err(self.0) }
    }

    fn add(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        self.0.push(FieldError::new(name, code, detail));
    }

    /// A fault of the item as a whole.
    pub fn whole(&mut self, code: &'static str, detail: &str) {
        self.0.push(FieldError { pointer: String::new(), code, detail: detail.to_owned() });
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
            let detail = format!("is older than {} days, the oldest that is taken", time.max_age.num_days());
            self.add(&field.name, "too_old", detail);
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
            self.add("metrics", "too_many_items", format!("may hold at most {MAX_METRICS} numbers"));
            return BTreeMap::new();
        }
        let mut metrics = BTreeMap::new();
        for (name, value) in fields.iter().filter_map(|field| self.metric(field)) {
            metrics.entry(name).or_insert(value);
        }
        metrics
    }

    fn metric(&mut self, field: &Named<'_>) -> Option<(MetricName, Scalar)> {
        let pointer = format!("metrics/{}", field.name.replace('~', "~0").replace('/', "~1"));
        let name = MetricName::try_from(field.name.clone().into_owned());
        let name = name.map_err(|error| self.add(&pointer, "invalid", error)).ok();
        let Field::Number(value) = field.value else {
            self.add(&pointer, "wrong_type", "must be a number");
            return None;
        };
        let value = Scalar::try_from(value).map_err(|error| self.add(&pointer, "out_of_range", error)).ok();
        name.zip(value)
    }
}
