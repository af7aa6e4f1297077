//! Every setting: a flag, an environment variable, a default.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use crate::cpus::{CpuList, available_cores};
use crate::read::config::ReadConfig;

/// Measures Pulso end to end and by its parts, on this machine, in one run, and prints a table.
///
/// Needs a PostgreSQL, a RabbitMQ and a Redis at full durability (`make bench` starts its own) and the release
/// binaries `pulso-api` and `pulso-worker` beside this one. Takes about 4 minutes, with --quick about 1. Everything
/// it makes (a database, queues, processes) is removed at the end, also after Ctrl-C and SIGTERM.
///
/// Ends with 0 when exactly what was accepted is stored, with 1 when not, with 2 when it could not measure.
#[derive(Debug, Parser)]
#[command(name = "pulso-bench", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of measuring.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The measurement.
    #[command(flatten)]
    pub bench: Option<BenchConfig>,
}

/// What else the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the bare route that the API is compared with (started by the measurement itself).
    BareRoute(BareRouteConfig),
    /// Measure how a large history is read (`make bench-read`).
    Read(Box<ReadConfig>),
}

/// Settings of the bare route.
#[derive(Debug, Args)]
pub struct BareRouteConfig {
    /// Port on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Threads that answer requests.
    #[arg(long, env = "HTTP_WORKERS", default_value_t = 1)]
    pub http_workers: usize,
    /// Verifies the tokens.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: SecretString,
}

/// Settings of the measurement.
#[derive(Debug, Clone, Args)]
pub struct BenchConfig {
    /// `postgres://…`, of a user who may create a database (or else a schema in this one).
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: SecretString,
    /// `amqp://…`.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: SecretString,
    /// `redis://…`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// Process of the PostgreSQL server (the postmaster), for its CPU time.
    #[arg(long, env = "PG_PID")]
    pub pg_pid: Option<u32>,
    /// Process of the RabbitMQ server, for its CPU time.
    #[arg(long, env = "RABBITMQ_PID")]
    pub rabbitmq_pid: Option<u32>,
    /// Directory with `pulso-api` and `pulso-worker`; by default this program's own.
    #[arg(long)]
    pub bin_dir: Option<PathBuf>,
    /// Devices to register and send for.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub devices: u32,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Threads of the API and of the bare route that answer requests; 0 is one for each of --api-cpus, or without it the
    /// API's own default, one for every two cores.
    #[arg(long, env = "HTTP_WORKERS", default_value_t = 0)]
    pub http_workers: usize,
    /// Processors of the API and of the bare route, such as 0-1. Without it, they may use those of this program, which
    /// is also the load generator.
    #[arg(long, value_name = "LIST")]
    pub api_cpus: Option<CpuList>,
    /// Processors of the worker; without it, those of this program.
    #[arg(long, value_name = "LIST")]
    pub worker_cpus: Option<CpuList>,
    /// Shorter runs: a first look, not a measurement to lean on.
    #[arg(long)]
    pub quick: bool,
    /// End with 1 also when a target is missed.
    #[arg(long)]
    pub strict: bool,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Also write everything measured to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Keep the logs of the API and the worker in this directory.
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

/// What can be measured separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Single heartbeats at 64 and 1,000 connections.
    Single,
    /// Single heartbeats at 256 connections, sustained, alternating with the bare route.
    Ratio,
    /// Arrays of 100.
    Arrays,
    /// Latency at half of the sustained rate.
    Latency,
    /// Confirmed publish and bare insert.
    Floors,
}

impl BenchConfig {
    /// The effective number of [`Self::http_workers`].
    pub fn http_threads(&self) -> usize {
        match (self.http_workers, &self.api_cpus) {
            (0, Some(cpus)) => cpus.len(),
            (0, None) => (available_cores() / 2).max(1),
            (given, _) => given,
        }
    }

    /// Processors that the run uses.
    pub fn cores(&self) -> usize {
        // With a placement, this program may use a part of them, and the worker all.
        available_cores().max(self.worker_cpus.as_ref().map_or(0, CpuList::len))
    }

    /// Whether a part was asked for.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
