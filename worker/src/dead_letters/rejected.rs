//! What of a batch can never be stored, and why.

use crate::storage::Rows;

/// All that goes to the dead-letter queue. The rest of its batch is committed.
#[derive(Debug, Default)]
pub struct Rejected {
    pub messages: Vec<Undecodable>,
    /// Rows that the database will never take.
    pub rows: Vec<(Rows, Reason)>,
}

/// A message, or one submission of a message, that cannot be decoded.
#[derive(Debug)]
pub struct Undecodable {
    pub reason: String,
    /// Its AMQP type: a later version may be able to decode it.
    pub kind: Option<String>,
    /// The message as it was received, or a message that holds nothing but the submission as it was received.
    pub body: Vec<u8>,
}

/// Why something is dead-lettered.
#[derive(Debug, Clone)]
pub struct Reason {
    pub code: ReasonCode,
    /// For people.
    pub detail: String,
}

/// The reason as routing key and metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonCode {
    Undecodable,
    DeviceGone,
    /// By the database.
    Refused,
}

impl ReasonCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::DeviceGone => "device_gone",
            Self::Refused => "refused",
        }
    }
}
