//! Dead letters: what cannot be stored, published with its reason; and the command that lists, replays and deletes it.
//!
//! ```text
//!  pipeline ─▶ Rejected ─▶ dead_letter_outbox (committed before the ack) ─▶ jobs::dead_letters ─▶ DeadLetterPublisher
//! ```

pub mod command;
mod publisher;
mod rejected;
mod returned;

pub use publisher::{DeadLetterPublisher, PublishError};
pub use rejected::{Refused, Rejected, Undecodable};
pub use returned::ReturnedLetters;
