//! What has to go: what deleted devices have left behind, and what is older than it is to be kept.
//!
//! ```text
//!  keeper, once a day (one among all workers) ─▶ which day is the first that stays
//!    ├▶ raw rows: partitions (detached, then dropped: whole days) and prune (what lies in the default partition)
//!    └▶ rollups:  prune (bucket by bucket)
//!  purge ─▶ deleted devices' rows
//! ```

mod keeper;
mod partitions;
mod prune;
mod purge;

pub use keeper::{RetentionPolicy, keep};
pub use purge::purge_deleted_devices;
