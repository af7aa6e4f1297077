//! The fault suite: every case starts a Pulso of its own on private servers, breaks something under load, repairs it, and
//! compares the ledger of what was accepted with what is stored.
//!
//! ```text
//!  Case ─▶ Testbed (private PostgreSQL, RabbitMQ, Redis) ─▶ Deployment (api, workers, devices) ─▶ Load (ledger) + Probe
//!            └ kill, stop, fill, lock, delay … repair ────────────────────────────────────▶ Outcome ─▶ a row, a verdict
//! ```

mod cases;
pub mod cli;
mod cluster;
mod database;
mod deployment;
mod deployment_plan;
mod load;
mod monitored_devices;
mod outcome;
mod private_servers;
mod probe;
mod queues;
mod replica;
mod resources;
mod script;
mod server_process;
mod suite;
mod table;
mod testbed;

pub use suite::run;
