//! Every setting of the worker: a flag, an environment variable, a default. `pulso-worker --help` lists them.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pulso_shared::config::{BrokerConfig, DatabaseConfig, RetentionConfig, milliseconds};
use pulso_shared::logging::LogConfig;

use crate::dead_letters_command::DeadLettersConfig;

/// Pulso's worker: stores what the API accepted.
#[derive(Debug, Parser)]
#[command(name = "pulso-worker", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store what arrives until SIGTERM, then finish what is in hand.
    Run(Box<WorkerConfig>),
    /// Exit with 0 when the worker on this machine is ready, else with 1.
    Healthcheck(HealthcheckConfig),
    /// Look at what could not be stored, put it back, or throw it away.
    DeadLetters(DeadLettersConfig),
}

/// Settings of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckConfig {
    /// Where the worker shows its health.
    #[arg(long, env = "OPS_ADDRESS", default_value = "0.0.0.0:9090")]
    pub ops_address: SocketAddr,
}

/// Settings of `run`.
#[derive(Debug, Clone, Args)]
pub struct WorkerConfig {
    /// Where `/livez`, `/readyz` and `/metrics` are; port 0 takes a free one and logs it.
    #[arg(long, env = "OPS_ADDRESS", default_value = "0.0.0.0:9090")]
    pub ops_address: SocketAddr,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Logs.
    #[command(flatten)]
    pub log: LogConfig,
    /// Batches.
    #[command(flatten)]
    pub batch: BatchConfig,
    /// How long rows are kept.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// Days for which rollups (what charts of long stretches are made of) are kept, at least; without it, for ever.
    #[arg(long, env = "ROLLUP_RETENTION_DAYS")]
    pub rollup_retention_days: Option<NonZeroU32>,
}

/// Settings of batches.
#[derive(Debug, Clone, Copy, Args)]
pub struct BatchConfig {
    /// Rows at which a batch is full.
    #[arg(long, env = "BATCH_MAX_ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch_max_rows: u32,
    /// How far apart batches begin, unless they are full, ms. One that follows a quiet moment is written at once.
    #[arg(long = "batch-interval-ms", env = "BATCH_INTERVAL_MS", default_value = "100", value_parser = milliseconds(0..=u32::MAX.into()))]
    pub batch_interval: Duration,
    /// Messages held without being acknowledged. Most are at most 128 KiB; one that carries a single large array may
    /// be as large as a request (1 MiB). This bounds the memory.
    #[arg(long, env = "PREFETCH", default_value_t = 32, value_parser = clap::value_parser!(u16).range(2..=2_000))]
    pub prefetch: u16,
}
