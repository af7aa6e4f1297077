//! Retention: what deleted devices have left, and what is too old.
//!
//! ```text
//!  expiry, once a day (one worker at a time) ─▶ the first day that is kept
//!    ├▶ raw rows: drop_partitions (whole days and months) and prune (parts of a month, the default partition)
//!    └▶ rollups:  prune (bucket by bucket)
//!  purge_accounts ─▶ devices and tasks of deleted accounts
//!  purge_devices ──▶ rows of deleted devices
//! ```

mod drop_partitions;
mod expiry;
mod prune;
mod purge_accounts;
mod purge_devices;

pub use expiry::{RetentionPolicy, run as run_expiry};
pub use purge_accounts::run as run_account_purge;
pub use purge_devices::run as run_device_purge;
