//! The fault suite: every case starts a Pulso of its own on private servers, breaks something under load, mends it, and
//! compares the ledger of what was accepted with what is stored.
//!
//! ```text
//!  Case ─▶ Site (private PostgreSQL, RabbitMQ, Redis) ─▶ Stack (api, workers, devices) ─▶ Load (ledger) + Probe
//!            └ kill, stop, fill, lock, delay … mend ─────────────────────────────────────▶ Outcome ─▶ a row, a verdict
//! ```

mod cases;
pub mod cli;
mod cluster;
mod database;
mod gauges;
mod load;
mod outcome;
mod presence;
mod probe;
mod program;
mod programs;
mod queue;
mod services;
mod site;
mod stack;
mod suite;
mod table;

pub use suite::run;

/// Why something could not be done; the text is what the user reads.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
