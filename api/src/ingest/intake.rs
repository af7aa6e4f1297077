//! One request's items: judged one by one, the good ones published together, the bad ones named.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Body, Items, RawItem};
use super::target::{self, Target, TargetError};
use super::types::{Item, Kind, TimeRules, check};
use crate::devices::DeviceName;
use crate::error::{ApiError, FieldError};
use crate::extract::auth::Caller;
use crate::fleet::Throughput;
use crate::limits;
use crate::metrics::count_rejected;
use crate::publisher::{Lane, Receipt, Refusal};
use crate::request::RequestId;
use crate::state::AppState;

/// Everything that decides about an item besides the item.
pub struct Intake<'a> {
    /// Settings, devices, budgets.
    pub state: &'a AppState,
    /// Who sends.
    pub caller: Caller,
    /// The device in the path.
    pub path_device: Option<DeviceId>,
    /// What the route takes.
    pub kind: Kind,
    /// Whether the submission is wanted back once it is confirmed.
    pub keep_submission: bool,
}

/// An item that was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedItem {
    /// Its place in the array, from 0.
    pub index: usize,
    /// Everything that is wrong with it.
    pub errors: Vec<FieldError>,
}

/// What became of a request's items.
#[derive(Debug, Serialize, ToSchema)]
pub struct IngestResponse {
    /// How many were taken: confirmed to the broker's disk, each of them exactly one row.
    #[schema(example = 1)]
    pub accepted: usize,
    /// Those that were not.
    pub rejected: Vec<RejectedItem>,
    /// With `ack=stored`, once all that were taken are committed: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<usize>,
}

/// What of a request was taken, and the answer that says so.
pub struct Taken {
    /// What the broker has confirmed, where it was to be kept.
    pub submission: Option<Box<Submission>>,
    /// The answer.
    pub response: IngestResponse,
}

/// Readings on their way to the broker. Nothing else of their request is kept meanwhile: thousands wait at once.
pub struct Sent {
    receipt: Receipt,
    senders: Senders,
    rejected: Vec<RejectedItem>,
    submission: Option<Box<Submission>>,
}

/// Whose readings they are.
enum Senders {
    One(DeviceId),
    Several(Vec<DeviceId>),
}

/// A request whose readings are on their way, or will be once a device has been looked up.
pub enum Sending<'a> {
    /// On their way.
    Sent(Sent),
    /// This sends them.
    LookUp(LocalBoxFuture<'a, Result<Sent, ApiError>>),
}

impl Sent {
    /// Waits for the broker's confirm.
    ///
    /// # Errors
    /// When nothing was taken, and why.
    pub async fn confirmed(self, throughput: &Throughput) -> Result<Taken, ApiError> {
        let Self { receipt, senders, rejected, submission } = self;
        let accepted = senders.len();
        receipt.confirmed().await.map_err(|refusal| refused(refusal, accepted))?;
        match senders {
            Senders::One(device) => throughput.add_accepted([device]),
            Senders::Several(devices) => throughput.add_accepted(devices),
        }
        Ok(Taken { submission, response: IngestResponse { accepted, rejected, stored: None } })
    }
}

impl<'a> Intake<'a> {
    /// Judges a body and sends what is good.
    ///
    /// # Errors
    /// When nothing of it is, and why.
    pub fn send(self, body: Body<'a>, lane: &'a Lane, request_id: &'a RequestId) -> Result<Sending<'a>, ApiError> {
        let mut submission = self.submission(request_id);
        match body {
            Body::Single(raw) => match target::read(self.caller, self.path_device, raw.device.as_ref()) {
                Ok(Target::Named(name)) => Ok(Sending::LookUp(Box::pin(async move {
                    let device = self.look_up(name).await.inspect_err(count_refused)?;
                    self.add_single(&raw, device, &mut submission)?;
                    self.submit(lane, submission, Vec::new())
                }))),
                Ok(Target::Known(device)) => {
                    self.add_single(&raw, Ok(device), &mut submission)?;
                    self.submit(lane, submission, Vec::new()).map(Sending::Sent)
                }
                Err(error) => {
                    self.add_single(&raw, Err(error), &mut submission)?;
                    self.submit(lane, submission, Vec::new()).map(Sending::Sent)
                }
            },
            Body::Array(items) => Ok(Sending::LookUp(Box::pin(async move {
                let rejected = self.add_array(items, &mut submission).await?;
                self.submit(lane, submission, rejected)
            }))),
        }
    }

    /// Judges a single item, sends it, waits for the confirm, and hands it back.
    ///
    /// # Errors
    /// When it was not taken, and why.
    pub async fn take_one(
        &self,
        raw: &RawItem<'_>,
        lane: &Lane,
        request_id: &RequestId,
    ) -> Result<Submission, ApiError> {
        let mut submission = self.submission(request_id);
        let device = match target::read(self.caller, self.path_device, raw.device.as_ref()) {
            Ok(Target::Known(device)) => Ok(device),
            Ok(Target::Named(name)) => self.look_up(name).await.inspect_err(count_refused)?,
            Err(error) => Err(error),
        };
        self.add_single(raw, device, &mut submission)?;
        submit(lane, &submission, Vec::new())?.confirmed(&self.state.throughput).await?;
        Ok(submission)
    }

    fn submit(&self, lane: &Lane, submission: Submission, rejected: Vec<RejectedItem>) -> Result<Sent, ApiError> {
        let sent = submit(lane, &submission, rejected)?;
        Ok(Sent { submission: self.keep_submission.then(|| Box::new(submission)), ..sent })
    }

    fn submission(&self, request_id: &RequestId) -> Submission {
        Submission {
            request_id: request_id.as_str().to_owned(),
            received_at: self.state.clock.now(),
            heartbeats: Vec::new(),
            readings: Vec::new(),
        }
    }

    fn time_rules(&self, now: DateTime<Utc>) -> TimeRules<'_> {
        let max_age = TimeDelta::days(i64::from(self.state.config.max_age_days()));
        TimeRules { now, max_age, given: &self.state.given_timestamps }
    }

    /// The device of that name, if this caller may send for it.
    async fn look_up(&self, name: DeviceName) -> Result<Result<DeviceId, TargetError>, ApiError> {
        let found = self.state.devices.find(HashSet::from([name])).await?;
        Ok(target::decide(self.state, self.caller, found.into_values().next()))
    }

    /// Puts the item into `submission` if it is good.
    fn add_single(
        &self,
        raw: &RawItem<'_>,
        device: Result<DeviceId, TargetError>,
        submission: &mut Submission,
    ) -> Result<(), ApiError> {
        let item = self.judge_single(raw, device, submission.received_at).inspect_err(count_refused)?;
        submission.push(item);
        Ok(())
    }

    fn judge_single(
        &self,
        raw: &RawItem<'_>,
        device: Result<DeviceId, TargetError>,
        now: DateTime<Utc>,
    ) -> Result<Item, ApiError> {
        let device = match device {
            Ok(device) => device,
            Err(TargetError::Field(fault)) => return Err(ApiError::Validation(self.faults_beside(raw, fault, now))),
            Err(error) => return Err(error.into()),
        };
        let item = check(raw, device, self.kind, self.time_rules(now)).map_err(ApiError::Validation)?;
        self.state.limiter.take_live(device)?;
        Ok(item)
    }

    /// A fault of an item's device, and all its other ones.
    fn faults_beside(&self, raw: &RawItem<'_>, fault: FieldError, now: DateTime<Utc>) -> Vec<FieldError> {
        // The id only fills the place.
        let others = check(raw, DeviceId::generate(), self.kind, self.time_rules(now)).err();
        std::iter::once(fault).chain(others.into_iter().flatten()).collect()
    }

    /// Puts the good items into `submission` and returns the bad ones.
    async fn add_array(&self, items: Items<'_>, submission: &mut Submission) -> Result<Vec<RejectedItem>, ApiError> {
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
    ) -> Option<limits::Refusal> {
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

/// Hands readings to the publisher.
fn submit(lane: &Lane, submission: &Submission, rejected: Vec<RejectedItem>) -> Result<Sent, ApiError> {
    let receipt = lane.submit(submission).map_err(|refusal| refused(refusal, submission.len()))?;
    Ok(Sent { receipt, senders: Senders::of(submission), rejected, submission: None })
}

impl Senders {
    fn of(submission: &Submission) -> Self {
        let heartbeats = submission.heartbeats.iter().map(|heartbeat| heartbeat.device_id);
        let mut devices = heartbeats.chain(submission.readings.iter().map(|reading| reading.device_id));
        match (devices.next(), submission.len()) {
            (Some(device), 1) => Self::One(device),
            (first, _) => Self::Several(first.into_iter().chain(devices).collect()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(devices) => devices.len(),
        }
    }
}

fn refused(refusal: Refusal, readings: usize) -> ApiError {
    count_rejected(refusal.code(), u64::try_from(readings).unwrap_or(u64::MAX));
    refusal.into()
}

/// Notes an item's faults, with pointers into the whole body.
fn reject(index: usize, mut errors: Vec<FieldError>) -> RejectedItem {
    for error in &mut errors {
        error.pointer.insert_str(0, &format!("/{index}"));
    }
    count_rejected(errors.first().map_or("unknown", |error| error.code), 1);
    RejectedItem { index, errors }
}

fn count_refused(error: &ApiError) {
    let code = match error {
        ApiError::Validation(errors) => errors.first().map_or("unknown", |error| error.code),
        ApiError::NotFound(_) => "unknown_device",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::TooManyRequests(_) => "too_many_requests",
        _ => "unavailable",
    };
    count_rejected(code, 1);
}

fn at_root(code: &'static str, detail: &str) -> FieldError {
    FieldError { pointer: String::new(), code, detail: detail.to_owned() }
}

fn limited(refusal: limits::Refusal) -> FieldError {
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

/// How an accepted item joins its submission.
trait PushItem {
    fn push(&mut self, item: Item);
}

impl PushItem for Submission {
    fn push(&mut self, item: Item) {
        match item {
            Item::Heartbeat(heartbeat) => self.heartbeats.push(heartbeat),
            Item::Reading(reading) => self.readings.push(reading),
        }
    }
}
