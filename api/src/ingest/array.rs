//! An array's items: each is judged on its own, so that a bad one costs its neighbours nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::accepted::Places;
use super::context::ItemContext;
use super::item::{ItemFaults, Measured};
use super::rejections::Rejections;
use super::rules::{JudgedItem, ReadItem};
use super::target::{Target, TargetError};
use super::types::RejectedItem;
use crate::http::error::{ApiError, FieldError};
use crate::http::rate_limit_headers::RateLimitExceeded;

/// What an array holds of one device; of none, where that is not known.
#[derive(Default)]
struct OfDevice {
    /// With their places in the array.
    valid: Vec<(usize, Measured)>,
    refused: usize,
}

type ByDevice = BTreeMap<Option<DeviceId>, OfDevice>;

/// Adds the good items to `submission`, notes where they were, and returns the bad ones; an error where there are no good
/// ones.
pub async fn add_items(
    context: &ItemContext<'_>,
    items: Vec<JudgedItem>,
    (submission, places): (&mut Submission, &mut Places),
) -> Result<Vec<RejectedItem>, ApiError> {
    if items.is_empty() {
        return Err(ApiError::Validation(vec![at_root("required", "the array is empty")]));
    }
    let items = find_devices(context, items).await?;
    let needs_credential = |item: &Found| matches!(item, Ok((Err(TargetError::CredentialNeeded), ..)));
    let all_need_credential = items.iter().all(needs_credential);
    let (by_device, mut rejected) = by_device(items);
    let limited = add_within_budgets(context, by_device, (submission, places), &mut rejected);
    match limited {
        // Good readings were held back by the limit alone, or there are too many bad ones: either way, later.
        Some(limit) if submission.is_empty() => Err(limit.into()),
        _ if all_need_credential => Err(TargetError::CredentialNeeded.into()),
        _ if submission.is_empty() => Err(rejected.into_error()),
        _ => Ok(rejected.into_items()),
    }
}

/// An item whose device was looked up.
type Found = Result<(Result<DeviceId, TargetError>, &'static str, Result<Measured, ItemFaults>), ItemFaults>;

/// The device of each item; those that have to be looked up, all at once.
async fn find_devices(context: &ItemContext<'_>, items: Vec<JudgedItem>) -> Result<Vec<Found>, ApiError> {
    let named = items.iter().filter_map(|item| match item {
        Ok(ReadItem { target: Ok(Target::Named(name)), .. }) => Some(name.clone()),
        _ => None,
    });
    let named: HashSet<_> = named.collect();
    let found = if named.is_empty() { HashMap::new() } else { context.parts().devices.find(named).await? };
    let decide = |item: ReadItem| {
        let device = item.target.and_then(|target| match target {
            Target::Known(device) => Ok(device),
            Target::Named(name) => context.decide(found.get(&name).copied()),
        });
        (device, item.device_field, item.measured)
    };
    Ok(items.into_iter().map(|item| item.map(decide)).collect())
}

fn by_device(items: Vec<Found>) -> (ByDevice, Rejections) {
    let (mut by_device, mut rejected) = (ByDevice::new(), Rejections::default());
    for (index, item) in items.into_iter().enumerate() {
        let (device, faults) = match item {
            Ok((Ok(device), _, Ok(measured))) => {
                by_device.entry(Some(device)).or_default().valid.push((index, measured));
                continue;
            }
            Ok((Ok(device), _, Err(faults))) => (Some(device), faults),
            Ok((Err(error), field, measured)) => (None, ItemFaults::behind(error.into_fault(field), measured.err())),
            Err(faults) => (None, faults),
        };
        let of_device = by_device.entry(device).or_default();
        of_device.refused = of_device.refused.saturating_add(1);
        rejected.add(index, faults);
    }
    (by_device, rejected)
}

/// Adds what each device's budget has room for to `submission`; the first limit that was exceeded, if any. Bad items
/// cost what good ones do.
fn add_within_budgets(
    context: &ItemContext<'_>,
    by_device: ByDevice,
    (submission, places): (&mut Submission, &mut Places),
    rejected: &mut Rejections,
) -> Option<RateLimitExceeded> {
    let mut exceeded = None;
    for (device, OfDevice { valid, refused }) in by_device {
        match (context.charge_array(device, valid.len().saturating_add(refused)), device) {
            (Ok(()), Some(device)) => valid.into_iter().for_each(|(index, measured)| {
                measured.add_to(submission, device);
                places.note(submission, index);
            }),
            (Ok(()), None) => {}
            (Err(limit), _) => {
                exceeded = exceeded.or(Some(limit));
                valid.into_iter().for_each(|(index, _)| rejected.add(index, ItemFaults::one(limited(limit))));
            }
        }
    }
    exceeded
}

fn at_root(code: &'static str, detail: &str) -> FieldError {
    FieldError { pointer: String::new(), code, detail: detail.to_owned() }
}

fn limited(exceeded: RateLimitExceeded) -> FieldError {
    at_root("too_many_requests", &format!("the limit {} is used up", exceeded.policy.name))
}
