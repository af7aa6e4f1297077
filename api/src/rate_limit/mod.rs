//! Rate limits: token buckets shared by all replicas through Redis. Without Redis each replica counts for itself.
//!
//! ```text
//!  admission (middleware: every request but ingest) ─▶ RateLimiter::admit: address, user ─┐
//!  accounts (sign-ins) ───────────────────────────────▶ RateLimiter::take ────────────────┼▶ redis: one script for all
//!                                                                                         └▶ fallback: in memory
//! ```
//!
//! What devices send is limited in `ingest`, in memory, and reconciled between replicas once a second: a call to Redis
//! for each heartbeat would cost more than the heartbeat.

mod admission;
mod fallback;
mod heavy_db;
mod limiter;

pub use admission::{RateLimitStatuses, admit};
pub use heavy_db::{HeavyDb, HeavyQueries};
pub use limiter::RateLimiter;
