//! An array's items: each is judged on its own, so that a bad one costs its neighbours nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::context::ItemContext;
use super::item::{Items, Measured, RawItem};
use super::metrics::count_rejected;
use super::target::{Target, TargetError};
use super::types::RejectedItem;
use crate::http::error::{ApiError, FieldError};
use crate::http::rate_limit_headers::RateLimitExceeded;

/// The valid items of an array by device, with their places in it.
type Valid = BTreeMap<DeviceId, Vec<(usize, Measured)>>;

/// Adds the good items to `submission` and returns the bad ones; an error where there are no good ones.
pub async fn add_items(
    context: &ItemContext<'_>,
    items: Items<'_>,
    submission: &mut Submission,
) -> Result<Vec<RejectedItem>, ApiError> {
    if items.is_empty() {
        return Err(ApiError::Validation(vec![at_root("required", "the array is empty")]));
    }
    let targets = look_up(context, &items).await?;
    let all_need_credential = targets.iter().all(|target| matches!(target, Err(TargetError::CredentialNeeded)));
    let (valid, mut rejected) = judge(context, items, targets);
    if all_need_credential {
        return Err(TargetError::CredentialNeeded.into());
    }
    let limited = add_within_budgets(context, valid, submission, &mut rejected);
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

/// The device of each item; those that have to be looked up, all at once.
async fn look_up(context: &ItemContext<'_>, items: &Items<'_>) -> Result<Vec<Result<DeviceId, TargetError>>, ApiError> {
    let target = |item: &Result<RawItem<'_>, FieldError>| match item {
        Ok(raw) => context.target(raw),
        Err(fault) => Err(TargetError::Field(fault.clone())),
    };
    let targets: Vec<_> = items.iter().map(target).collect();
    let named = targets.iter().filter_map(|target| match target {
        Ok(Target::Named(name)) => Some(name.clone()),
        _ => None,
    });
    let named: HashSet<_> = named.collect();
    let found = if named.is_empty() { HashMap::new() } else { context.parts().devices.find(named).await? };
    let decide = |target| match target? {
        Target::Known(device) => Ok(device),
        Target::Named(name) => context.decide(found.get(&name).copied()),
    };
    Ok(targets.into_iter().map(decide).collect())
}

fn judge(
    context: &ItemContext<'_>,
    items: Items<'_>,
    targets: Vec<Result<DeviceId, TargetError>>,
) -> (Valid, Vec<RejectedItem>) {
    let (mut valid, mut rejected) = (Valid::new(), Vec::new());
    for (index, (raw, target)) in items.into_iter().zip(targets).enumerate() {
        match judge_item(context, raw, target) {
            Ok((device, measured)) => valid.entry(device).or_default().push((index, measured)),
            Err(errors) => rejected.push(reject(index, errors)),
        }
    }
    (valid, rejected)
}

fn judge_item(
    context: &ItemContext<'_>,
    raw: Result<RawItem<'_>, FieldError>,
    target: Result<DeviceId, TargetError>,
) -> Result<(DeviceId, Measured), Vec<FieldError>> {
    let raw = raw.map_err(|fault| vec![fault])?;
    match target {
        Ok(device) => context.check(&raw).map(|measured| (device, measured)),
        Err(error) => Err(context.faults_beside(&raw, error.into_fault(&raw))),
    }
}

/// Adds what each device's budget has room for to `submission`; the first limit that was exceeded, if any.
fn add_within_budgets(
    context: &ItemContext<'_>,
    valid: Valid,
    submission: &mut Submission,
    rejected: &mut Vec<RejectedItem>,
) -> Option<RateLimitExceeded> {
    let mut exceeded = None;
    for (device, items) in valid {
        let readings = u32::try_from(items.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        match context.parts().limiter.take_backlog(context.thread.usage(), device, readings) {
            Ok(()) => items.into_iter().for_each(|(_, measured)| measured.add_to(submission, device)),
            Err(limit) => {
                exceeded = exceeded.or(Some(limit));
                rejected.extend(items.into_iter().map(|(index, _)| reject(index, vec![limited(limit)])));
            }
        }
    }
    exceeded
}

/// Records an item's faults, with pointers into the whole body.
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

fn limited(exceeded: RateLimitExceeded) -> FieldError {
    at_root("too_many_requests", &format!("the limit {} is used up", exceeded.policy.name))
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
