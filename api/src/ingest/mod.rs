//! What devices send: heartbeats and sensor readings, one at a time or in arrays.
//!
//! ```text
//!  HTTP body ─▶ body::parse ─▶ RawItem ─▶ rules ─▶ Heartbeat | Reading ─▶ Submission ─▶ publisher ─▶ 2xx
//!                                │            └▶ every fault of every item, named
//!                                └ target: which device, and may this caller send for it
//! ```

mod ack;
mod body;
mod intake;
mod limit;
pub mod routes;
mod shared_use;
mod stored;
mod target;
mod types;

pub use limit::IngestLimiter;
pub use stored::StoredWatch;
pub use types::GivenTimestamps;
