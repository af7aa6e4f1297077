//! One request's items: judged one by one, the good ones published together, the bad ones named.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use chrono::TimeDelta;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Body, Items, RawItem};
use super::limit::LimitReached;
use super::target::{self, TargetError};
use super::types::{Item, Kind, TimeRules, check};
use crate::error::{ApiError, FieldError};
use crate::extract::auth::Caller;
use crate::metrics::count_rejected;
use crate::publisher::Lane;
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
    /// What the broker has confirmed.
    pub submission: Submission,
    /// The answer.
    pub response: IngestResponse,
}

/// An item's fate before it is published.
enum Verdict {
    Good(Item),
    Bad(Vec<FieldError>),
}

impl Intake<'_> {
    /// Judges a body and publishes what is good; returns once the broker has confirmed it.
    ///
    /// # Errors
    /// When nothing was taken, and why.
    pub async fn take(&self, body: Body<'_>, lane: &Lane, request_id: &RequestId) -> Result<Taken, ApiError> {
        let mut submission = self.submission(request_id);
        let rejected = match body {
            Body::Single(raw) => {
                let item = self.judge_single(&raw, submission.received_at).await.inspect_err(count_refused)?;
                submission.push(item);
                Vec::new()
            }
            Body::Array(items) => self.judge_array(items, &mut submission).await?,
        };
        let accepted = submission.len();
        if accepted > 0 {
            self.publish(lane, &submission).await?;
        }
        Ok(Taken { submission, response: IngestResponse { accepted, rejected, stored: None } })
    }

    /// As [`Self::take`] for a route that takes one item, which it hands back.
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
        let item = self.judge_single(raw, submission.received_at).await.inspect_err(count_refused)?;
        submission.push(item);
        self.publish(lane, &submission).await?;
        Ok(submission)
    }

    async fn publish(&self, lane: &Lane, submission: &Submission) -> Result<(), ApiError> {
        let readings = u64::try_from(submission.len()).unwrap_or(u64::MAX);
        let confirmed = match lane.submit(submission) {
            Ok(receipt) => receipt.confirmed().await,
            Err(refusal) => Err(refusal),
        };
        confirmed.inspect_err(|refusal| count_rejected(refusal.code(), readings))?;
        self.state.throughput.add_accepted(submission);
        Ok(())
    }

    fn submission(&self, request_id: &RequestId) -> Submission {
        Submission {
            request_id: request_id.as_str().to_owned(),
            received_at: self.state.clock.now(),
            heartbeats: Vec::new(),
            readings: Vec::new(),
        }
    }

    fn time_rules(&self, now: chrono::DateTime<chrono::Utc>) -> TimeRules<'_> {
        let max_age = TimeDelta::days(i64::from(self.state.config.max_age_days()));
        TimeRules { now, max_age, given: &self.state.given_timestamps }
    }

    async fn judge_single(&self, raw: &RawItem<'_>, now: chrono::DateTime<chrono::Utc>) -> Result<Item, ApiError> {
        let device = target::resolve(self.state, self.caller, self.path_device, raw.device.as_ref()).await?;
        let item = check(raw, device, self.kind, self.time_rules(now)).map_err(ApiError::Validation)?;
        self.state.limiter.take_live(device)?;
        Ok(item)
    }

    /// Puts the good items into `submission` and returns the bad ones.
    async fn judge_array(&self, items: Items<'_>, submission: &mut Submission) -> Result<Vec<RejectedItem>, ApiError> {
        if items.is_empty() {
            return Err(ApiError::Validation(vec![at_root("required", "the array is empty")]));
        }
        let mut rejected = Vec::new();
        let mut good: BTreeMap<DeviceId, Vec<(usize, Item)>> = BTreeMap::new();
        let mut needs_credential = 0_usize;
        let count = items.len();
        for (index, raw) in items.into_iter().enumerate() {
            match self.judge_item(raw, submission.received_at, &mut needs_credential).await? {
                Verdict::Good(item) => good.entry(item.device_id()).or_default().push((index, item)),
                Verdict::Bad(errors) => rejected.push(reject(index, errors)),
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

    async fn judge_item(
        &self,
        raw: Result<RawItem<'_>, FieldError>,
        now: chrono::DateTime<chrono::Utc>,
        needs_credential: &mut usize,
    ) -> Result<Verdict, ApiError> {
        let raw = match raw {
            Ok(raw) => raw,
            Err(fault) => return Ok(Verdict::Bad(vec![fault])),
        };
        let (device, target_fault) =
            match target::resolve(self.state, self.caller, self.path_device, raw.device.as_ref()).await {
                Ok(device) => (device, None),
                Err(TargetError::Failed(error)) => return Err(error),
                Err(error) => {
                    if matches!(error, TargetError::CredentialNeeded) {
                        *needs_credential = needs_credential.saturating_add(1);
                    }
                    // Its other faults are told all the same; the id only fills the place.
                    (DeviceId::generate(), Some(error.into_fault(&raw)))
                }
            };
        Ok(match (check(&raw, device, self.kind, self.time_rules(now)), target_fault) {
            (Ok(item), None) => Verdict::Good(item),
            (Ok(_), Some(fault)) => Verdict::Bad(vec![fault]),
            (Err(faults), fault) => Verdict::Bad(fault.into_iter().chain(faults).collect()),
        })
    }

    /// Moves what each device's budget has room for into `submission`; the first limit reached, if any.
    fn within_budget(
        &self,
        good: BTreeMap<DeviceId, Vec<(usize, Item)>>,
        submission: &mut Submission,
        rejected: &mut Vec<RejectedItem>,
    ) -> Option<LimitReached> {
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

fn count_refused(error: &ApiError) {
    let code = match error {
        ApiError::Validation(errors) => errors.first().map_or("unknown", |error| error.code),
        ApiError::NotFound(_) => "unknown_device",
        ApiError::Unauthorized(_) => "unauthorized",
        ApiError::Forbidden(_) => "forbidden",
        ApiError::TooManyRequests { .. } => "too_many_requests",
        _ => "unavailable",
    };
    count_rejected(code, 1);
}

fn at_root(code: &'static str, detail: &str) -> FieldError {
    FieldError { pointer: String::new(), code, detail: detail.to_owned() }
}

fn limited(limit: LimitReached) -> FieldError {
    at_root("too_many_requests", &format!("the limit {} is used up", limit.limit))
}

impl From<LimitReached> for ApiError {
    fn from(reached: LimitReached) -> Self {
        Self::TooManyRequests { limit: reached.limit, retry_after: reached.retry_after }
    }
}

impl TargetError {
    fn into_fault(self, raw: &RawItem<'_>) -> FieldError {
        let name = raw.device.as_ref().map_or("device_id", |named| named.name.as_ref());
        match self {
            Self::Field(fault) => fault,
            Self::Unknown => FieldError::new(name, "unknown_device", "there is no such device"),
            Self::CredentialNeeded => FieldError::new(name, "unauthorized", "this device's data needs a credential"),
            Self::NotItself => FieldError::new(name, "forbidden", "a device can send only for itself"),
            Self::Failed(error) => FieldError::new(name, "unavailable", error),
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
