//! Readings in flight to the broker.

use pulso_shared::amqp::message::Submission;

use super::accepted::{Accepted, Places};
use super::metrics::count_rejected;
use super::types::{IngestResponse, RejectedItem};
use crate::broker::{BatchingPublisher, PublishError, Receipt};
use crate::http::error::ApiError;

/// A request's readings between publish and confirm. Nothing else of the request is kept meanwhile: thousands wait at
/// once.
pub struct InFlight {
    receipt: Receipt,
    readings: usize,
    rejected: Vec<RejectedItem>,
    /// Kept where it is wanted after the confirm.
    accepted: Option<Box<Accepted>>,
}

impl InFlight {
    /// Hands readings to the publisher.
    pub fn publish(
        publisher: &BatchingPublisher,
        (submission, places): (Submission, Places),
        rejected: Vec<RejectedItem>,
        keep_submission: bool,
    ) -> Result<Self, ApiError> {
        let readings = submission.len();
        let receipt = publisher.submit(&submission).map_err(|error| failed(error, readings))?;
        Ok(Self {
            receipt,
            readings,
            rejected,
            accepted: keep_submission.then(|| Box::new(Accepted { submission, places })),
        })
    }

    /// Waits for the broker's confirm.
    pub async fn confirmed(self) -> Result<(IngestResponse, Option<Box<Accepted>>), ApiError> {
        let Self { receipt, readings, rejected, accepted } = self;
        receipt.confirmed().await.map_err(|error| failed(error, readings))?;
        Ok((IngestResponse { accepted: readings, rejected, stored: None, conflicting: Vec::new() }, accepted))
    }
}

fn failed(error: PublishError, readings: usize) -> ApiError {
    count_rejected(error.code(), readings);
    error.into()
}
