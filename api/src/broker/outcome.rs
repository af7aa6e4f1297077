//! The outcome of a publish.

use crate::http::error::ApiError;

/// The outcome of a message, for every request in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it on disk.
    Confirmed,
    /// The broker does not have it, or did not say so in time: every request in it is answered 503.
    Failed(PublishError),
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The workers are behind.
    #[error("the store queue is full")]
    QueueFull,
    /// No queue is bound to our exchange.
    #[error("the message could not be routed")]
    Unroutable,
    /// The broker is short of memory or disk.
    #[error("the broker has blocked publishers")]
    Blocked,
    #[error("the broker did not confirm in time")]
    Timeout,
    /// Too many bytes wait for the broker in this HTTP thread.
    #[error("the publish buffer is full")]
    BufferFull,
    /// The process is stopping.
    #[error("the publisher has stopped")]
    Stopped,
}

impl PublishError {
    /// The reason as `pulso_ingest_rejected_total` names it.
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

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        match error {
            // Whatever replica they asked, the answer would be the same: a new connection would only cost more.
            PublishError::QueueFull | PublishError::Blocked | PublishError::Unroutable => {
                Self::Unavailable { what: "The message broker", cause: error.to_string() }
            }
            PublishError::Timeout | PublishError::BufferFull | PublishError::Stopped => {
                Self::CannotPublish(error.to_string())
            }
        }
    }
}
