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

use super::array;
use super::context::ItemContext;
use super::in_flight::InFlight;
use super::item::{Body, RawItem};
use super::metrics::count_rejected_item;
use super::target::{Target, TargetError};
use super::types::RejectedItem;
use crate::devices::DeviceName;
use crate::http::error::ApiError;
use crate::http::request_id::RequestId;

/// A request's items on their way into the publisher: already there where no device has to be looked up, which is so for
/// nearly every heartbeat; else pending, on the heap, so that the others' futures stay small. What had to wait is received
/// when the wait is over: watermark probes rely on it that a submission is with the publisher as soon as it is received.
pub type Taking<'a> = Either<Ready<Result<InFlight, ApiError>>, LocalBoxFuture<'a, Result<InFlight, ApiError>>>;

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
        let mut submission = self.submission();
        match body {
            Body::Single(raw) => match self.context.target(&raw) {
                Ok(Target::Named(name)) => Either::Right(Box::pin(async move {
                    let device = self.look_up(name).await.inspect_err(count_rejected_item)?;
                    submission.received_at = self.context.now();
                    self.take_single(&raw, device, submission)
                })),
                Ok(Target::Known(device)) => Either::Left(ready(self.take_single(&raw, Ok(device), submission))),
                Err(error) => Either::Left(ready(self.take_single(&raw, Err(error), submission))),
            },
            Body::Array(items) => Either::Right(Box::pin(async move {
                let rejected = array::add_items(&self.context, items, &mut submission).await?;
                submission.received_at = self.context.now();
                self.publish(submission, rejected)
            })),
        }
    }

    fn submission(&self) -> Submission {
        Submission {
            request_id: self.request_id.as_str().to_owned(),
            received_at: self.context.received_at,
            heartbeats: Vec::new(),
            readings: Vec::new(),
        }
    }

    /// The device of that name, if this caller may send for it.
    async fn look_up(&self, name: DeviceName) -> Result<Result<DeviceId, TargetError>, ApiError> {
        let found = self.context.parts().devices.find(HashSet::from([name])).await?;
        Ok(self.context.decide(found.into_values().next()))
    }

    fn take_single(
        &self,
        raw: &RawItem<'_>,
        device: Result<DeviceId, TargetError>,
        mut submission: Submission,
    ) -> Result<InFlight, ApiError> {
        self.add_single(raw, device, &mut submission).inspect_err(count_rejected_item)?;
        self.publish(submission, Vec::new())
    }

    fn add_single(
        &self,
        raw: &RawItem<'_>,
        device: Result<DeviceId, TargetError>,
        submission: &mut Submission,
    ) -> Result<(), ApiError> {
        let device = match device {
            Ok(device) => device,
            Err(TargetError::Field(fault)) => {
                return Err(ApiError::Validation(self.context.faults_beside(raw, fault)));
            }
            Err(error) => return Err(error.into()),
        };
        let measured = self.context.check(raw).map_err(ApiError::Validation)?;
        self.context.parts().limiter.take_live(self.context.thread.usage(), device)?;
        measured.add_to(submission, device);
        Ok(())
    }

    fn publish(&self, submission: Submission, rejected: Vec<RejectedItem>) -> Result<InFlight, ApiError> {
        InFlight::publish(self.context.thread.publisher(), submission, rejected, self.keep_submission)
    }
}
