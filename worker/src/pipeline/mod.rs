//! From the queue to the database: consume, gather, write in one transaction, ack.
//!
//! ```text
//!  consumer ─ one session after the other ─▶ session ─▶ delivery ─▶ batcher ─▶ writer ─▶ retry ─▶ storage
//!                                              └─ ack ◀── committed ──────────────┘        └▶ dead_letters
//!  drain: at shutdown, what the session has in flight
//! ```

mod batcher;
pub mod consumer;
mod delivery;
mod drain;
mod in_flight;
mod retry;
mod session;
mod writer;

pub use in_flight::InFlight;
pub use session::SessionSettings;
pub use writer::Writer;
