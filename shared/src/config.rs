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

#[cfg(test)]
mod tests {
    use clap::{Args, Parser};
    use secrecy::ExposeSecret;

    use super::{BrokerConfig, DatabaseConfig, RetentionConfig};

    #[derive(Parser)]
    struct Only<T: Args> {
        #[command(flatten)]
        config: T,
    }

    fn parse<T: Args>(arguments: &[&str]) -> Result<T, String> {
        let parsed = Only::try_parse_from([&["test"], arguments].concat());
        parsed.map(|only: Only<T>| only.config).map_err(|error| error.to_string())
    }

    #[test]
    fn only_urls_have_to_be_given() {
        let broker: BrokerConfig = parse(&["--amqp-url", "amqp://localhost"]).unwrap();
        assert_eq!((broker.queue_prefix.as_str(), broker.queue_max_bytes), ("pulso", 1_073_741_824));
        let database: DatabaseConfig = parse(&["--database-url", "postgres://localhost/pulso"]).unwrap();
        assert_eq!(database.database_url.expose_secret(), "postgres://localhost/pulso");
        assert_eq!(parse::<RetentionConfig>(&[]).unwrap().retention_days, None);
        let error = parse::<BrokerConfig>(&[]).unwrap_err();
        assert!(error.contains("--amqp-url"), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let broker: BrokerConfig = parse(&["--amqp-url", "amqp://user:hunter2@localhost"]).unwrap();
        let database: DatabaseConfig = parse(&["--database-url", "postgres://user:hunter2@localhost/pulso"]).unwrap();
        let shown = format!("{broker:?} {database:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn numbers_beyond_their_range_are_refused() {
        assert!(parse::<RetentionConfig>(&["--retention-days", "1"]).is_ok());
        assert!(parse::<RetentionConfig>(&["--retention-days", "0"]).is_err(), "that would keep nothing");
        let url = ["--amqp-url", "amqp://localhost"];
        for bytes in ["-1", "4294967296", "1GB"] {
            assert!(parse::<BrokerConfig>(&[&url[..], &["--queue-max-bytes", bytes]].concat()).is_err(), "{bytes}");
        }
    }
}
