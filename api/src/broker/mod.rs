//! The way to RabbitMQ, and the only module that knows it: a group commit.
//!
//! ```text
//!  request ─▶ Lane::submit ─▶ open batch ─┐        (one lane in each HTTP thread: no lock, no cross-thread wake-up)
//!  request ─▶ Lane::submit ─▶ open batch ─┴▶ one AMQP message ─▶ confirm ─▶ every request in it is answered
//! ```
//!
//! Requests that arrive while a message is on its way gather in the next one. No timer makes anything wait: a lone
//! request is published at once, and under load the messages grow by themselves, because more requests arrive in the
//! time of one confirm. A 2xx is given after the broker's confirm and never before.

mod batching_publisher;
mod publisher;
mod queue_depths;

pub use batching_publisher::{Lane, Receipt};
pub use publisher::Publisher;
pub use queue_depths::{QueueState, QueueStates};

use std::time::Duration;

use crate::http::error::ApiError;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it on disk.
    Confirmed,
    /// The broker does not have it, or did not say so in time: every request in it is answered 503.
    Refused(Refusal),
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The queue is full: the workers are behind.
    #[error("the store queue is full")]
    QueueFull,
    /// No queue is bound to our exchange.
    #[error("the message could not be routed")]
    Unroutable,
    /// The broker takes nothing for lack of memory or disk.
    #[error("the broker has blocked publishers")]
    Blocked,
    /// No confirm within the time limit.
    #[error("the broker did not confirm in time")]
    Timeout,
    /// Too much is waiting already.
    #[error("the publish buffer is full")]
    BufferFull,
    /// The process is stopping.
    #[error("the publisher has stopped")]
    Stopped,
}

impl Refusal {
    /// The reason as `pulso_ingest_rejected_total` names it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Unroutable => "unroutable",
            Self::Blocked => "broker_blocked",
            Self::Timeout => "publish_timeout",
            Self::BufferFull => "buffer_full",
            Self::Stopped => "stopped",
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Unavailable { what: "The message broker", cause: refusal.to_string() }
    }
}

/// Limits of the publisher.
#[derive(Debug, Clone, Copy)]
pub struct PublishLimits {
    /// From the first submission in a message to its confirm.
    pub timeout: Duration,
    /// Bytes that may wait in one lane.
    pub buffer_bytes: usize,
}
