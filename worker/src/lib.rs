//! The worker: consumes what the API accepted and turns it into rows, exactly one for each reading.
//!
//! ```text
//!  RabbitMQ ─▶ consumer ─▶ batcher ─▶ storage (one transaction) ─▶ ack
//!                             ▲            │ transient: wait, try again, consume nothing more meanwhile
//!                             └ bounded    └ poison: halve until the bad row is alone ─▶ dead letter
//! ```
//!
//! Beside that, one worker at a time computes rollups, each makes partitions and purges what deleted devices left.
//!
//! Any number of workers may run: what they share is the queue, and the database decides what is a duplicate.

mod app;
mod batcher;
pub mod config;
mod consumer;
mod dead_letter;
mod dead_letters_command;
mod delivery;
mod error;
mod health;
mod metrics;
mod pipeline;
mod presence;
mod retention;
mod rollup;
mod storage;
mod throughput;

pub use app::run;
