//! The one way in for a request's items: each is judged, the good ones are published together, the bad ones named.
//!
//! ```text
//!  Body ─▶ target (which device, may this caller send for it) ─▶ item rules ─▶ rate limit ─▶ Submission ─▶ InFlight
//! ```

use std::collections::HashSet;
use std::future::{Ready, ready};

use futures_util::future::{Either, LocalBoxFuture};
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::accepted::Places;
use super::array;
use super::context::ItemContext;
use super::in_flight::InFlight;
use super::item::{Body, ItemFaults, MAX_ITEMS, Measured, RawItem};
use super::metrics::count_rejected_item;
use super::rules::{JudgedBody, JudgedItem};
use super::target::{Target, TargetError};
use super::types::RejectedItem;
use crate::devices::DeviceName;
use crate::http::error::{ApiError, MAX_FAULTS};
use crate::http::request_id::RequestId;

/// A request's items on their way into the publisher: already there where no device has to be looked up, which is so for
/// nearly every heartbeat; else pending, on the heap, so that the others' futures stay small. What had to wait is received
/// when the wait is over: watermark probes rely on it that a submission is with the publisher as soon as it is received.
pub type Taking<'a> = Either<Ready<Result<InFlight, ApiError>>, LocalBoxFuture<'a, Result<InFlight, ApiError>>>;

/// What an item has in a body that cannot be taken apart, roughly.
const BYTES_PER_ITEM: usize = 1_024;

/// What a request is taken in with.
pub struct Intake<'a> {
    pub context: ItemContext<'a>,
    pub request_id: &'a RequestId,
    /// Whether the submission is wanted back once it is confirmed.
    pub keep_submission: bool,
}

impl<'a> Intake<'a> {
    /// Judges a body's items and publishes the good ones; an error where there are none.
    pub fn take(self, body: Body<'a>) -> Taking<'a> {
        match body {
            Body::Single(raw) => match self.context.rules.target(&raw) {
                Ok(Target::Named(name)) => Either::Right(Box::pin(async move {
                    let device = self.look_up(name).await.inspect_err(count_rejected_item)?;
                    self.take_single(device, || self.check(&raw), self.late_submission())
                })),
                Ok(Target::Known(device)) => {
                    Either::Left(ready(self.take_single(Ok(device), || self.check(&raw), self.submission())))
                }
                Err(error) => Either::Left(ready(self.take_single(Err(error), || self.check(&raw), self.submission()))),
            },
            Body::Array(items) => {
                let items = self.context.rules.judge_array(items);
                Either::Right(Box::pin(self.take_array(items)))
            }
        }
    }

    /// The same with a body that was judged beside the HTTP threads.
    pub async fn take_judged(self, body: JudgedBody) -> Result<InFlight, ApiError> {
        let item = match body {
            JudgedBody::Array(items) => return self.take_array(items).await,
            JudgedBody::Single(item) => *item,
        };
        let device = match item.target {
            Ok(Target::Named(name)) => self.look_up(name).await.inspect_err(count_rejected_item)?,
            Ok(Target::Known(device)) => Ok(device),
            Err(error) => Err(error),
        };
        self.take_single(device, || item.measured, self.late_submission())
    }

    /// The error of a body none of whose items could be read: it is charged as some items.
    pub fn refuse(&self, bytes: &[u8], error: ApiError) -> ApiError {
        let items = bytes.len().div_ceil(BYTES_PER_ITEM).min(MAX_ITEMS);
        let charged = if items > 1 { self.context.charge_array(None, items) } else { self.context.charge_single(None) };
        charged.err().map_or(error, ApiError::from)
    }

    async fn take_array(self, items: Vec<JudgedItem>) -> Result<InFlight, ApiError> {
        let mut submission = self.submission();
        let mut places = Places::default();
        let rejected = array::add_items(&self.context, items, (&mut submission, &mut places)).await?;
        submission.received_at = self.context.now();
        self.publish((submission, places), rejected)
    }

    fn check(&self, raw: &RawItem<'_>) -> Result<Measured, ItemFaults> {
        self.context.rules.check(raw, MAX_FAULTS)
    }

    fn submission(&self) -> Submission {
        Submission {
            request_id: self.request_id.as_str().to_owned(),
            received_at: self.context.rules.received_at,
            heartbeats: Vec::new(),
            readings: Vec::new(),
        }
    }

    /// The submission of what had to wait.
    fn late_submission(&self) -> Submission {
        Submission { received_at: self.context.now(), ..self.submission() }
    }

    /// The device of that name, if this caller may send for it.
    async fn look_up(&self, name: DeviceName) -> Result<Result<DeviceId, TargetError>, ApiError> {
        let found = self.context.parts().devices.find(HashSet::from([name])).await?;
        Ok(self.context.decide(found.into_values().next()))
    }

    fn take_single(
        &self,
        device: Result<DeviceId, TargetError>,
        check: impl FnOnce() -> Result<Measured, ItemFaults>,
        mut submission: Submission,
    ) -> Result<InFlight, ApiError> {
        self.add_single(device, check, &mut submission).inspect_err(count_rejected_item)?;
        self.publish((submission, Places::default()), Vec::new())
    }

    fn add_single(
        &self,
        device: Result<DeviceId, TargetError>,
        check: impl FnOnce() -> Result<Measured, ItemFaults>,
        submission: &mut Submission,
    ) -> Result<(), ApiError> {
        self.context.charge_single(device.as_ref().ok().copied())?;
        let device = match device {
            Ok(device) => device,
            Err(TargetError::Field(fault)) => {
                return Err(ApiError::Validation(ItemFaults::behind(fault, check().err()).listed));
            }
            Err(error) => return Err(error.into()),
        };
        let measured = check().map_err(|faults| ApiError::Validation(faults.listed))?;
        measured.add_to(submission, device);
        Ok(())
    }

    fn publish(&self, submission: (Submission, Places), rejected: Vec<RejectedItem>) -> Result<InFlight, ApiError> {
        InFlight::publish(self.context.thread.publisher(), submission, rejected, self.keep_submission)
    }
}
