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
    /// Store what arrives until SIGTERM, then finish what is in flight.
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
    /// Days for which rollups (the data of charts over long times) and timelines are kept, at least; unset: no limit.
    #[arg(long, env = "ROLLUP_RETENTION_DAYS")]
    pub rollup_retention_days: Option<NonZeroU32>,
    /// Days for which the audit log is kept, at least.
    #[arg(long, env = "AUDIT_RETENTION_DAYS", default_value = "3650")]
    pub audit_retention_days: NonZeroU32,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, Parser};
    use pulso_shared::ids::DeadLetterId;

    use super::{Cli, Command, DeadLetterAction, WorkerConfig};

    fn run_with(arguments: &[&str]) -> Result<WorkerConfig, String> {
        let urls =
            ["pulso-worker", "run", "--database-url", "postgres://localhost/pulso", "--amqp-url", "amqp://localhost"];
        match Cli::try_parse_from([&urls, arguments].concat()).map_err(|error| error.to_string())?.command {
            Command::Run(config) => Ok(*config),
            other => panic!("{other:?}"),
        }
    }

    fn dead_letters(arguments: &[&str]) -> Result<DeadLetterAction, String> {
        let command = ["pulso-worker", "dead-letters", "--amqp-url", "amqp://localhost"];
        match Cli::try_parse_from([&command, arguments].concat()).map_err(|error| error.to_string())?.command {
            Command::DeadLetters(config) => Ok(config.action),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_but_the_urls_has_a_default() {
        let config = run_with(&[]).unwrap();
        assert_eq!(config.ops_address.to_string(), "0.0.0.0:9090");
        assert_eq!((config.batch.batch_max_rows, config.batch.prefetch), (5_000, 32));
        assert_eq!(config.batch.batch_interval, Duration::from_millis(100));
        assert_eq!((config.retention.retention_days, config.rollup_retention_days), (None, None), "all is kept");
    }

    #[test]
    fn numbers_that_would_stop_the_worker_are_refused() {
        for bad in [
            ["--batch-max-rows", "0"],
            ["--batch-max-rows", "50001"],
            ["--prefetch", "1"],
            ["--prefetch", "2001"],
            ["--rollup-retention-days", "0"],
        ] {
            let error = run_with(&bad).unwrap_err();
            assert!(error.contains(bad[0]), "{error}");
        }
        assert!(run_with(&["--batch-max-rows", "1", "--prefetch", "2"]).is_ok());
    }

    #[test]
    fn a_setting_that_the_worker_does_not_have_is_refused() {
        let error = run_with(&["--database-pool-size", "4"]).unwrap_err();
        assert!(error.contains("--database-pool-size"), "{error}");
    }

    #[test]
    fn replaying_and_deleting_need_a_selection_and_only_one() {
        let id = DeadLetterId::generate().to_string();
        for action in ["replay", "delete"] {
            assert!(dead_letters(&[action]).is_err(), "{action} of nothing");
            assert!(dead_letters(&[action, "--all", &id]).is_err(), "{action} of all, and of one");
            assert!(dead_letters(&[action, "no-id"]).is_err());
            assert!(dead_letters(&[action, "--all"]).is_ok());
        }
        let Ok(DeadLetterAction::Replay(selection)) = dead_letters(&["replay", &id, &id]) else { panic!("{id}") };
        assert_eq!((selection.all, selection.ids.len()), (false, 2));
    }

    #[test]
    fn a_list_shows_a_hundred_letters_unless_told_otherwise() {
        let Ok(DeadLetterAction::List { limit, json }) = dead_letters(&["list"]) else { panic!() };
        assert_eq!((limit.get(), json), (100, false));
        assert!(dead_letters(&["list", "--limit", "0"]).is_err());
    }
}
