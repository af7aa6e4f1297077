//! Readings on their way to the broker, and the answer once they are confirmed.

use futures_util::future::LocalBoxFuture;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::broker::{Lane, Receipt, Refusal};
use crate::http::error::{ApiError, FieldError};
use crate::http::metrics::count_rejected;
use crate::throughput::Throughput;

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
    /// Hands the submission back once it is confirmed.
    pub fn keeping(self, submission: Submission) -> Self {
        Self { submission: Some(Box::new(submission)), ..self }
    }

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

/// Hands readings to the publisher.
///
/// # Errors
/// When it does not take them, and why.
pub fn submit(lane: &Lane, submission: &Submission, rejected: Vec<RejectedItem>) -> Result<Sent, ApiError> {
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
