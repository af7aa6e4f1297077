//! Readings in flight to the broker.

use pulso_shared::amqp::message::Submission;

use super::accepted::{Accepted, Places};
use super::item::IgnoredNames;
use super::metrics::count_rejected;
use super::types::{IngestResponse, RejectedItem};
use crate::broker::{BatchingPublisher, PublishError, Receipt};
use crate::http::error::ApiError;

/// What of a request is not in flight.
#[derive(Default)]
pub struct NotTaken {
    pub rejected: Vec<RejectedItem>,
    pub ignored: IgnoredNames,
}

/// A request's readings between publish and confirm. Nothing else of the request is kept meanwhile: thousands wait at
/// once.
pub struct InFlight {
    receipt: Receipt,
    readings: usize,
    not_taken: NotTaken,
    /// Kept where it is wanted after the confirm.
    accepted: Option<Box<Accepted>>,
}

impl InFlight {
    /// Hands readings to the publisher.
    pub fn publish(
        publisher: &BatchingPublisher,
        (submission, places): (Submission, Places),
        not_taken: NotTaken,
        keep_submission: bool,
    ) -> Result<Self, ApiError> {
        let readings = submission.len();
        let receipt = publisher.submit(&submission).map_err(|error| failed(error, readings))?;
        Ok(Self {
            receipt,
            readings,
            not_taken,
            accepted: keep_submission.then(|| Box::new(Accepted { submission, places })),
        })
    }

    /// Waits for the broker's confirm.
    pub async fn confirmed(self) -> Result<(IngestResponse, Option<Box<Accepted>>), ApiError> {
        let Self { receipt, readings, not_taken, accepted } = self;
        receipt.confirmed().await.map_err(|error| failed(error, readings))?;
        let NotTaken { rejected, ignored } = not_taken;
        let ignored = ignored.into_vec();
        let response = IngestResponse { accepted: readings, rejected, ignored, stored: None, conflicting: Vec::new() };
        Ok((response, accepted))
    }
}

fn failed(error: PublishError, readings: usize) -> ApiError {
    count_rejected(error.code(), readings);
    error.into()
}
