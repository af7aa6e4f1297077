//! A demonstration fleet: believable signals, network outages, restarts, backlogs.
//!
//! ```text
//!  signal (pure: seed, time ─▶ measurements) ─▶ Device ─▶ Backlog ─▶ Uplink ─▶ API
//! ```

mod backlog;
mod command;
mod device;
mod measures;
mod noise;
mod payload;
mod signal;
mod stats;
mod uplink;

pub use command::{FleetArgs, run};
