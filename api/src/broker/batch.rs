//! Submissions that travel in one message, and what their requests wait for.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use pulso_shared::amqp::message::{self, Submission};
use pulso_shared::ids::DeviceId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outcome::{Outcome, PublishError};
use super::unconfirmed::Message;

/// A message is closed when it has grown to this: a quorum queue copies it a few times, and the worker's prefetch
/// counts messages, so the largest one decides how much memory a full prefetch takes.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Resolves when the message that a submission travels in has been confirmed or has failed.
#[derive(Clone)]
pub struct Receipt(Shared<oneshot::Receiver<Outcome>>);

impl Receipt {
    /// Waits for the broker's confirm.
    pub async fn confirmed(self) -> Result<(), PublishError> {
        match self.0.await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Failed(error)) => Err(error),
            Err(_) => Err(PublishError::Stopped),
        }
    }
}

/// The body of one message while it grows, and who waits for its outcome.
pub struct Batch {
    pub body: Vec<u8>,
    /// When its oldest request is answered 503.
    pub deadline: Instant,
    /// As which it is unconfirmed.
    pub message: Message,
    opened_at: Instant,
    /// The device of each reading in it.
    devices: Vec<DeviceId>,
    outcome: oneshot::Sender<Outcome>,
    receipt: Receipt,
}

/// What a confirmed batch brought.
pub struct Confirmed {
    pub devices: Vec<DeviceId>,
    /// From the first submission in it to the confirm.
    pub latency: Duration,
}

impl Batch {
    /// An empty batch that has to be confirmed within `timeout`.
    pub fn open(timeout: Duration, message: Message) -> Self {
        let (outcome, receiver) = oneshot::channel();
        let opened_at = Instant::now();
        Self {
            body: Vec::with_capacity(4096),
            deadline: opened_at + timeout,
            message,
            opened_at,
            devices: Vec::new(),
            outcome,
            receipt: Receipt(receiver.shared()),
        }
    }

    /// Adds a submission as one more element of the JSON array that the message is.
    pub fn push(&mut self, submission: &Submission) -> Result<Receipt, PublishError> {
        let before = self.body.len();
        self.body.push(if before == 0 { b'[' } else { b',' });
        // Writing to memory cannot fail, and every value in a submission can be written; if one could not, the message
        // would be cut back to what it was.
        if message::encode(submission, &mut self.body).is_err() {
            self.body.truncate(before);
            return Err(PublishError::Unroutable);
        }
        self.devices.extend(submission.heartbeats.iter().map(|heartbeat| heartbeat.device_id));
        self.devices.extend(submission.readings.iter().map(|reading| reading.device_id));
        Ok(self.receipt.clone())
    }

    pub fn is_full(&self) -> bool {
        self.body.len() >= MAX_MESSAGE_BYTES
    }

    /// Ends the JSON array.
    pub fn finish(&mut self) {
        self.body.push(b']');
    }

    /// Answers every request in it; `count` sees what was confirmed before they do.
    pub fn resolve(self, outcome: Outcome, count: impl FnOnce(Confirmed)) {
        if outcome == Outcome::Confirmed {
            count(Confirmed { devices: self.devices, latency: self.opened_at.elapsed() });
        }
        // Nobody listens when every client of the batch has hung up.
        let _ = self.outcome.send(outcome);
    }
}
