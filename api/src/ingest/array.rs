//! An array's items: each judged on its own, so that one bad one costs its neighbours nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::body::{Items, RawItem};
use super::intake::{Intake, PushItem};
use super::sent::RejectedItem;
use super::target::{self, Target, TargetError};
use super::types::{Item, check};
use crate::http::error::{ApiError, FieldError};
use crate::http::metrics::count_rejected;
use crate::http::rate_limit_headers::RateLimitExceeded;

impl Intake<'_> {
    /// Puts the good items into `submission` and returns the bad ones.
    pub(super) async fn add_array(
        &self,
        items: Items<'_>,
        submission: &mut Submission,
    ) -> Result<Vec<RejectedItem>, ApiError> {
        if items.is_empty() {
            return Err(ApiError::Validation(vec![at_root("required", "the array is empty")]));
        }
        let targets = self.look_up_all(&items).await?;
        let mut rejected = Vec::new();
        let mut good: BTreeMap<DeviceId, Vec<(usize, Item)>> = BTreeMap::new();
        let mut needs_credential = 0_usize;
        let count = items.len();
        for (index, (raw, target)) in items.into_iter().zip(targets).enumerate() {
            if matches!(target, Err(TargetError::CredentialNeeded)) {
                needs_credential = needs_credential.saturating_add(1);
            }
            match self.judge_item(raw, target, submission.received_at) {
                Ok(item) => good.entry(item.device_id()).or_default().push((index, item)),
                Err(errors) => rejected.push(reject(index, errors)),
            }
        }
        if needs_credential == count {
            return Err(TargetError::CredentialNeeded.into());
        }
        let limited = self.within_budget(good, submission, &mut rejected);
        match limited {
            // Good readings were held back by the limit alone: they are to be sent again.
            Some(limit) if submission.is_empty() => Err(limit.into()),
            _ if submission.is_empty() => {
                Err(ApiError::Validation(rejected.into_iter().flat_map(|item| item.errors).collect()))
            }
            _ => {
                rejected.sort_by_key(|item| item.index);
                Ok(rejected)
            }
        }
    }

    /// The device of each item, all that have to be looked up at once.
    async fn look_up_all(&self, items: &Items<'_>) -> Result<Vec<Result<DeviceId, TargetError>>, ApiError> {
        let reference = |item: &Result<RawItem<'_>, FieldError>| match item {
            Ok(raw) => target::read(self.caller, self.path_device, raw.device.as_ref()),
            Err(fault) => Err(TargetError::Field(fault.clone())),
        };
        let targets: Vec<_> = items.iter().map(reference).collect();
        let named = targets.iter().filter_map(|target| match target {
            Ok(Target::Named(name)) => Some(name.clone()),
            _ => None,
        });
        let named: HashSet<_> = named.collect();
        let found = if named.is_empty() { HashMap::new() } else { self.state.devices.find(named).await? };
        let decide = |target| match target? {
            Target::Known(device) => Ok(device),
            Target::Named(name) => target::decide(self.state, self.caller, found.get(&name).copied()),
        };
        Ok(targets.into_iter().map(decide).collect())
    }

    fn judge_item(
        &self,
        raw: Result<RawItem<'_>, FieldError>,
        target: Result<DeviceId, TargetError>,
        now: DateTime<Utc>,
    ) -> Result<Item, Vec<FieldError>> {
        let raw = raw.map_err(|fault| vec![fault])?;
        match target {
            Ok(device) => check(&raw, device, self.kind, self.time_rules(now)),
            Err(error) => Err(self.faults_beside(&raw, error.into_fault(&raw), now)),
        }
    }

    /// Moves what each device's budget has room for into `submission`; the first limit reached, if any.
    fn within_budget(
        &self,
        good: BTreeMap<DeviceId, Vec<(usize, Item)>>,
        submission: &mut Submission,
        rejected: &mut Vec<RejectedItem>,
    ) -> Option<RateLimitExceeded> {
        let mut reached = None;
        for (device, items) in good {
            let readings = u32::try_from(items.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
            match self.state.limiter.take_backlog(device, readings) {
                Ok(()) => items.into_iter().for_each(|(_, item)| submission.push(item)),
                Err(limit) => {
                    reached = reached.or(Some(limit));
                    rejected.extend(items.into_iter().map(|(index, _)| reject(index, vec![limited(limit)])));
                }
            }
        }
        reached
    }
}

/// Notes an item's faults, with pointers into the whole body.
fn reject(index: usize, mut errors: Vec<FieldError>) -> RejectedItem {
    for error in &mut errors {
        error.pointer.insert_str(0, &format!("/{index}"));
    }
    count_rejected(errors.first().map_or("unknown", |error| error.code), 1);
    RejectedItem { index, errors }
}

fn at_root(code: &'static str, detail: &str) -> FieldError {
    FieldError { pointer: String::new(), code, detail: detail.to_owned() }
}

fn limited(refusal: RateLimitExceeded) -> FieldError {
    at_root("too_many_requests", &format!("the limit {} is used up", refusal.policy.name))
}

impl TargetError {
    fn into_fault(self, raw: &RawItem<'_>) -> FieldError {
        let name = raw.device.as_ref().map_or("device_id", |named| named.name.as_ref());
        match self {
            Self::Field(fault) => fault,
            Self::Unknown => FieldError::new(name, "unknown_device", "there is no such device"),
            Self::CredentialNeeded => FieldError::new(name, "unauthorized", "this device's data needs a credential"),
            Self::NotItself => FieldError::new(name, "forbidden", "a device can send only for itself"),
        }
    }
}

impl Item {
    fn device_id(&self) -> DeviceId {
        match self {
            Self::Heartbeat(heartbeat) => heartbeat.device_id,
            Self::Reading(reading) => reading.device_id,
        }
    }
}
