//! The only module that talks to Redis. Nothing in Redis is the only copy of anything: while it is unavailable or empty,
//! every caller has a fallback.

mod cache_entries;
mod client;
mod device_usage;
mod rate_limits;

pub use client::{RedisClient, RedisError};
