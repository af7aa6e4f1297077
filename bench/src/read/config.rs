//! Settings of the reading benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

/// Measures how fast a large history is read, and what that costs ingest.
///
/// Loads a data set of its own into a database `pulso_bench_read`, which is kept for the next run.
#[derive(Debug, Clone, Args)]
pub struct ReadConfig {
    /// `postgres://…`, of a user who may create databases.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// `amqp://…`.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: SecretString,
    /// `redis://…`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// Directory with `pulso-api` and `pulso-worker`; by default this program's own.
    #[arg(long)]
    pub bin_dir: Option<PathBuf>,
    /// Heartbeats of 1,000 devices over 30 days to load.
    #[arg(long, default_value_t = 20_000_000, value_parser = clap::value_parser!(u64).range(30_000..=1_000_000_000))]
    pub rows: u64,
    /// Sensor readings of the same devices to load; by default a tenth of the heartbeats. The hourly points of a whole day
    /// need 720,000.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub readings: Option<u64>,
    /// Load the data set again, also when that of an earlier run is there.
    #[arg(long)]
    pub fresh: bool,
    /// How often each query is sent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: u32,
    /// Rounds of each ingest comparison; 0 leaves them out.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub rounds: u32,
    /// How long each ingest load sends, s.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub load_s: u32,
    /// Also write everything measured to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Keep the logs of the APIs and the workers in this directory.
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

impl ReadConfig {
    /// [`Self::readings`], or their default.
    pub fn readings(&self) -> u64 {
        self.readings.unwrap_or(self.rows / 10)
    }

    /// [`Self::load_s`] as a duration.
    pub fn load_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.load_s))
    }
}
