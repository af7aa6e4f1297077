//! The only module that talks to Redis. Nothing in Redis is the only copy of anything: while it is unavailable or empty,
//! every caller has a fallback.

mod cache_entries;
mod client;
mod connection;
mod device_usage;
mod error;
mod rate_limits;

pub use cache_entries::{EntryLimits, SetOutcome};
pub use client::RedisClient;
pub use error::RedisError;
