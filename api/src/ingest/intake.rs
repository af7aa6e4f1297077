//! One request's items: judged one by one, the good ones published together, the bad ones named.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::body::{Body, RawItem};
use super::sent::{RejectedItem, Sending, Sent, submit};
use super::target::{self, Target, TargetError};
use super::types::{Item, Kind, TimeRules, check};
use crate::auth::caller::Caller;
use crate::broker::Lane;
use crate::devices::DeviceName;
use crate::http::error::{ApiError, FieldError};
use crate::http::metrics::count_rejected;
use crate::http::request_id::RequestId;
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
        Ok(if self.keep_submission { sent.keeping(submission) } else { sent })
    }

    fn submission(&self, request_id: &RequestId) -> Submission {
        Submission {
            request_id: request_id.as_str().to_owned(),
            received_at: self.state.clock.now(),
            heartbeats: Vec::new(),
            readings: Vec::new(),
        }
    }

    pub(super) fn time_rules(&self, now: DateTime<Utc>) -> TimeRules<'_> {
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
    pub(super) fn faults_beside(&self, raw: &RawItem<'_>, fault: FieldError, now: DateTime<Utc>) -> Vec<FieldError> {
        // The id only fills the place.
        let others = check(raw, DeviceId::generate(), self.kind, self.time_rules(now)).err();
        std::iter::once(fault).chain(others.into_iter().flatten()).collect()
    }
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

/// How an accepted item joins its submission.
pub(super) trait PushItem {
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
