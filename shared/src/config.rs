//! Configuration of both processes. Every setting is a flag and an environment variable; `--help` lists them all.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Arg, ArgMatches, Args, Command, Parser};
use secrecy::SecretString;

/// The command line, and the settings it amounts to together with the environment and the defaults, for the log.
pub fn parse<C: Parser>() -> (C, String) {
    let mut command = C::command();
    let mut matches = command.get_matches_mut();
    let settings =
        matches.subcommand().and_then(|(name, given)| Some(effective(command.find_subcommand(name)?, given)));
    let parsed = C::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command).exit());
    (parsed, settings.unwrap_or_default())
}

/// `NAME=value` for each setting; of a secret (`hide_env_values`) only whether it is set.
fn effective(command: &Command, matches: &ArgMatches) -> String {
    let shown = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env()?.to_string_lossy();
        Some(format!("{name}={}", effective_value(arg, matches)))
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn effective_value(arg: &Arg, matches: &ArgMatches) -> String {
    match matches.try_get_raw(arg.get_id().as_str()).ok().flatten() {
        None => "unset".to_owned(),
        Some(_) if arg.is_hide_env_values_set() => "(set)".to_owned(),
        Some(values) => values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","),
    }
}

/// A parser of whole seconds, as many as fit into `u32`.
pub fn seconds() -> impl TypedValueParser<Value = Duration> {
    clap::value_parser!(u32).map(|seconds| Duration::from_secs(seconds.into()))
}

/// A parser of whole milliseconds within a range.
pub fn milliseconds(range: RangeInclusive<i64>) -> impl TypedValueParser<Value = Duration> {
    clap::value_parser!(u32).range(range).map(|milliseconds| Duration::from_millis(milliseconds.into()))
}

/// PostgreSQL.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
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
    use std::time::Duration;

    use clap::{Args, CommandFactory, Parser};
    use secrecy::ExposeSecret;

    use super::{BrokerConfig, DatabaseConfig, RetentionConfig, effective, milliseconds, seconds};

    #[derive(Debug, Parser)]
    struct Settings {
        #[command(flatten)]
        broker: BrokerConfig,
        #[arg(long, env = "TEST_TTL_S", default_value = "900", value_parser = seconds())]
        ttl: Duration,
        #[arg(long, env = "TEST_TIMEOUT_MS", default_value = "50", value_parser = milliseconds(10..=100))]
        timeout: Duration,
        #[arg(long, env = "TEST_DAYS")]
        days: Option<u32>,
    }

    #[test]
    fn a_secret_is_only_said_to_be_set() {
        let command = Settings::command();
        let matches = command.clone().get_matches_from(["program", "--amqp-url", "amqp://user:hunter2@host/%2f"]);
        let shown = effective(&command, &matches);
        assert_eq!(
            shown,
            "AMQP_URL=(set) QUEUE_PREFIX=pulso QUEUE_MAX_BYTES=1073741824 TEST_TTL_S=900 TEST_TIMEOUT_MS=50 TEST_DAYS=unset"
        );
    }

    #[test]
    fn durations_are_read_from_whole_numbers_within_their_range() {
        let read = |timeout_ms: &str| Settings::try_parse_from(["program", "--amqp-url", "x", "--timeout", timeout_ms]);
        let settings = read("100").unwrap();
        assert_eq!((settings.ttl, settings.timeout), (Duration::from_secs(900), Duration::from_millis(100)));
        assert!(read("9").is_err() && read("101").is_err() && read("0.5").is_err());
        assert_eq!((settings.broker.queue_prefix.as_str(), settings.days), ("pulso", None));
    }

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
