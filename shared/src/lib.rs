//! What the API and the worker both name, and nothing else: a thing only one of them needs lives there.
//!
//! ```text
//! api ──▶ shared ◀── worker
//! ```

pub mod amqp;
pub mod clock;
pub mod config;
pub mod ids;
pub mod locks;
pub mod logging;
pub mod metrics;
pub mod presence;
pub mod rollup;
pub mod shutdown;
pub mod supervisor;
pub mod telemetry;
pub mod throughput;
