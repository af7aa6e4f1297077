//! The load generator: many connections, each sending heartbeats in a closed loop or all together at a fixed rate.
//!
//! ```text
//!  LoadPlan ─▶ LoadRun ─▶ thread ×T ─▶ LoadClient ×C/T: Pace ─▶ Composer ─▶ Connection ─▶ Tally
//! ```
//!
//! It runs on the same cores as what it measures, so its own cost shows as slowness of the server: it allocates nothing
//! per request where it can, and has only as many threads as are asked for.

mod client;
mod composer;
mod connection;
mod heartbeat_json;
mod pace;
mod plan;
mod run;
mod run_state;
mod tally;
mod target;

pub use composer::SentReading;
pub use plan::{Journal, LoadPlan};
pub use run::{LoadError, LoadRun};
pub use tally::Tally;
pub use target::{HEARTBEATS, Target, TargetError};
