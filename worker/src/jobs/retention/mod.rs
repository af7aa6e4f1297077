//! Retention: what deleted devices have left, and what is too old.
//!
//! ```text
//!  expiry, once a day (one worker at a time) ─▶ the first day that is kept
//!    ├▶ raw rows: drop_partitions (whole days, detached, then dropped) and prune (the default partition)
//!    └▶ rollups:  prune (bucket by bucket)
//!  purge ─▶ rows of deleted devices
//! ```

mod drop_partitions;
mod expiry;
mod prune;
mod purge;

pub use expiry::{RetentionPolicy, run as run_expiry};
pub use purge::run as run_purge;
