//! The worker: consumes what the API accepted and stores it: each reading in exactly one row.
//!
//! ```text
//!  RabbitMQ ─▶ consumer ─▶ batcher ─▶ storage (one transaction) ─▶ ack
//!                             ▲            │ transient: retry; consume nothing more meanwhile
//!                             └ bounded    └ poison: halve until the bad row is alone ─▶ dead letter
//!
//!  jobs, beside it: partitions, rollups, retention, offline detection, throughput
//! ```
//!
//! Any number of workers may run: they share the queue, and the database decides what is a duplicate.

mod app;
mod backoff;
pub mod config;
mod dead_letters;
mod error;
mod health;
mod jobs;
mod metrics;
mod pipeline;
mod storage;

pub use app::run;
