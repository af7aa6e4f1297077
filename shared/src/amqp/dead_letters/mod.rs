//! The dead letters, looked at, put back and thrown away by AMQP alone (the broker's management need not be there).
//! The API's administrators' routes and the worker's command both use it.
//!
//! ```text
//!  <p>.dead ──page by page, unacknowledged──▶ Desk ─▶ look: all go back, in their order
//!                                              ├────▶ replay: published where the API publishes, confirmed, then acknowledged
//!                                              └────▶ delete: acknowledged
//! ```
//!
//! Whoever dies at the desk loses nothing: what was not acknowledged is in the queue again. Between the confirm and the
//! acknowledgement of a replayed letter a death doubles the message, which the rows' key makes harmless.

mod desk;
mod letter;
mod page;

pub use desk::{Choice, Desk, DeskError, Listing, Replayed, Stop};
pub use letter::{Content, DeadLetter, REASON_HEADER};
