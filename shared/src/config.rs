//! Configuration of both processes. Every setting is a flag and an environment variable; `--help` lists them all.

use std::num::NonZeroU32;

use clap::Args;
use secrecy::SecretString;

/// PostgreSQL.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// Most connections open at once.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 16)]
    pub database_pool_size: usize,
}

/// RabbitMQ.
#[derive(Debug, Clone, Args)]
pub struct BrokerConfig {
    /// `amqp://user:password@host:port/vhost` (`%2f` is the vhost `/`).
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: SecretString,
    /// First part of every exchange's and queue's name.
    #[arg(long, env = "QUEUE_PREFIX", default_value = "pulso")]
    pub queue_prefix: String,
    /// Most bytes the store queue may hold; beyond, new data is refused (503) until it has drained.
    #[arg(long, env = "QUEUE_MAX_BYTES", default_value_t = 1_073_741_824)]
    pub queue_max_bytes: u32,
}

/// How long what devices sent is kept. The API refuses what is older, the worker drops it.
#[derive(Debug, Clone, Copy, Args)]
pub struct RetentionConfig {
    /// Days for which heartbeats and readings are kept, at least; unset: no limit.
    #[arg(long, env = "RETENTION_DAYS")]
    pub retention_days: Option<NonZeroU32>,
}
