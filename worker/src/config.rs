//! Every setting of the worker: a flag, an environment variable, a default. `pulso-worker --help` lists them.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use pulso_shared::config::{BrokerConfig, RetentionConfig, milliseconds};
use pulso_shared::ids::DeadLetterId;
use pulso_shared::logging::LogConfig;
use secrecy::SecretString;

/// Pulso's worker: stores what the API accepted.
#[derive(Debug, Parser)]
#[command(name = "pulso-worker", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The binary's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store what arrives until SIGTERM, then finish what is in hand.
    Run(Box<WorkerConfig>),
    /// Exit with 0 when the worker on this machine is ready, else with 1.
    Healthcheck(HealthcheckConfig),
    /// List, replay or delete what could not be stored.
    DeadLetters(DeadLettersConfig),
}

/// Settings of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckConfig {
    /// Address of the worker's `/readyz`.
    #[arg(long, env = "OPS_ADDRESS", default_value = "0.0.0.0:9090")]
    pub ops_address: SocketAddr,
}

/// Settings of `dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLettersConfig {
    /// RabbitMQ.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// What to do with them.
    #[command(subcommand)]
    pub action: DeadLetterAction,
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLetterAction {
    /// Show the oldest dead letters; they stay in the queue.
    List {
        /// Most letters to show.
        #[arg(long, default_value = "100")]
        limit: NonZeroUsize,
        /// One JSON object a line, with the decoded body.
        #[arg(long)]
        json: bool,
    },
    /// Move dead letters back to the store queue. One that cannot be stored again returns under a new id.
    Replay(DeadLetterSelection),
    /// Delete dead letters.
    Delete(DeadLetterSelection),
}

/// The dead letters to act on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct DeadLetterSelection {
    /// All that are in the queue now.
    #[arg(long)]
    pub all: bool,
    /// The letters with these ids.
    pub ids: Vec<DeadLetterId>,
}

/// Settings of `run`.
#[derive(Debug, Clone, Args)]
pub struct WorkerConfig {
    /// Address of `/livez`, `/readyz` and `/metrics`; port 0 takes a free port and logs it.
    #[arg(long, env = "OPS_ADDRESS", default_value = "0.0.0.0:9090")]
    pub ops_address: SocketAddr,
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// RabbitMQ.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// Logging.
    #[command(flatten)]
    pub log: LogConfig,
    /// Batching.
    #[command(flatten)]
    pub batch: BatchConfig,
    /// Retention of raw rows.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// Days for which rollups (the data of charts over long times) are kept, at least; unset: no limit.
    #[arg(long, env = "ROLLUP_RETENTION_DAYS")]
    pub rollup_retention_days: Option<NonZeroU32>,
}

/// Settings of batches.
#[derive(Debug, Clone, Copy, Args)]
pub struct BatchConfig {
    /// Rows at which a batch is full.
    #[arg(long, env = "BATCH_MAX_ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch_max_rows: u32,
    /// Least time between the beginnings of two batches, unless they are full, ms. A batch that follows a quiet moment is
    /// written at once.
    #[arg(long = "batch-interval-ms", env = "BATCH_INTERVAL_MS", default_value = "100", value_parser = milliseconds(0..=u32::MAX.into()))]
    pub batch_interval: Duration,
    /// Most unacked messages, which bounds the memory. Most messages have at most 128 KiB; one that carries a single large
    /// array may be as large as a request (1 MiB).
    #[arg(long, env = "PREFETCH", default_value_t = 32, value_parser = clap::value_parser!(u16).range(2..=2_000))]
    pub prefetch: u16,
}
