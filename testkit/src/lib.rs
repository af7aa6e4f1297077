//! What the black-box tests, the benchmark and the fault suite share: programs that are started and ended, an HTTP client,
//! free ports, a fault proxy. For the tests alone: a whole Pulso (real processes, its own database, queues and ports) on the
//! PostgreSQL, RabbitMQ and Redis that `make test` starts.
//!
//! ```text
//!  test ─▶ Pulso::start() ─▶ pulso-api process ─┐
//!            │  └─▶ pulso-worker process ───────┼─▶ own database, own queues
//!            └─▶ Client: HTTP as a user or a device would speak it
//! ```

mod broker;
mod client;
mod database;
mod failure;
mod ports;
mod process;
mod program;
mod program_log;
mod proxy;
mod pulso;
pub mod settings;
mod test_client;
mod test_servers;
mod wait;

pub use broker::{Broker, DeadLetter};
pub use client::{Answer, Client};
pub use database::Database;
pub use failure::Failure;
pub use ports::free_port;
pub use process::Process;
pub use program::{Program, RunningProgram, own_folder};
pub use program_log::{LogTarget, ProgramLog};
pub use proxy::{Line, Proxy};
pub use pulso::{Options, Pulso};
pub use test_client::Device;
pub use wait::eventually;
