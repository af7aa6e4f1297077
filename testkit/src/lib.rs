//! For tests only: a Pulso of one's own (real processes, a database, a queue prefix and ports of its own) on the real
//! PostgreSQL, RabbitMQ and Redis that `make test` starts.
//!
//! ```text
//!  test ─▶ Pulso::start() ─▶ pulso-api process ─┐
//!            │  └─▶ pulso-worker process ───────┼─▶ own database, own queues
//!            └─▶ Client: HTTP as a user or a device would speak it
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where and stop"
)]

mod broker;
mod client;
mod database;
mod process;
mod proxy;
mod pulso;
pub mod settings;
mod wait;

pub use broker::{Broker, DeadLetter};
pub use client::{Answer, Client, Device};
pub use database::Database;
pub use process::Process;
pub use proxy::{Line, Proxy};
pub use pulso::{Options, Pulso};
pub use wait::eventually;

/// The value of a variable that `make test` sets.
fn service_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
}
