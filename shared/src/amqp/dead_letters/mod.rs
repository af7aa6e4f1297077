//! The dead-letter browser: lists, replays and deletes dead letters over AMQP alone, without the broker's management
//! API. Used by the API's administrator routes and by the worker's command.
//!
//! ```text
//!  <p>.dead ──page by page, unacknowledged──▶ DeadLetterBrowser ─┬▶ list:   all are requeued, in their order
//!                                                                ├▶ replay: published like new data, confirmed, then acked
//!                                                                └▶ delete: acked
//! ```
//!
//! A crash loses nothing: unacknowledged messages return to the queue. A crash between the confirm and the ack of a
//! replayed letter duplicates the message, which is harmless, because a duplicate row is not stored.

mod browser;
mod letter;
mod page;
mod republish;

pub use browser::{BrowseError, Choice, DeadLetterBrowser, Listing, Replayed};
pub use letter::{Content, DeadLetter, REASON_HEADER};
pub use republish::Stop;
