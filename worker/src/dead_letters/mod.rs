//! Dead letters: what can never be stored, published with its reason; and the command that lists, replays and deletes
//! it.

pub mod command;
mod letter;
mod publisher;
mod rejected;

pub use publisher::DeadLetterPublisher;
pub use rejected::{Reason, ReasonCode, Rejected, Undecodable};
