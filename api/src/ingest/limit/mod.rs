//! Rate limits of devices: one reading a request at the live rate, arrays (a backlog after an outage of the device's own
//! network) from a larger budget of their own. Decided in memory; a call to Redis would cost more than the heartbeat.
//!
//! ```text
//!  heartbeat ─▶ IngestLimiter (memory) ─▶ LocalUsage: what a device took of its budgets, counted per HTTP thread
//!                     ▲                        │ once a second, of those that took much of it
//!                     └ RemoteUsage ◀──────────┴▶ Redis: the sum over all replicas (cross-replica reconciliation)
//! ```
//!
//! So a device that spreads what it sends over replicas is held to its limit after a second or two. Without Redis each
//! replica counts for itself.

mod limiter;
mod reconciliation;
mod usage;

pub use limiter::IngestLimiter;
pub use usage::UsageCounter;
