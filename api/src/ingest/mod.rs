//! What devices send: heartbeats and sensor readings, one at a time or in arrays.
//!
//! ```text
//!  HTTP body ─▶ body::parse ─▶ RawItem ─▶ rules ─▶ Heartbeat | Reading ─▶ Submission ─▶ publisher ─▶ 2xx
//!                                │            └▶ every fault of every item, named
//!                                └ target: which device, and may this caller send for it
//! ```

mod ack;
mod array;
mod body;
mod documented;
mod faults;
mod fields;
mod intake;
mod limit;
mod request;
pub mod routes;
mod sent;
mod shared_use;
mod stored;
mod target;
mod types;

pub use limit::IngestLimiter;
pub use stored::StoredWatch;
pub use types::GivenTimestamps;
