//! The command line: `serve`, `migrate`, `healthcheck`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pulso_shared::config::DatabaseConfig;
use pulso_shared::logging::LogConfig;

use crate::config::ApiConfig;
use crate::{app, healthcheck, migrate};

/// Pulso's HTTP API.
#[derive(Debug, Parser)]
#[command(name = "pulso-api", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer HTTP requests until SIGTERM.
    Serve(Box<ApiConfig>),
    /// Bring the database's schema up to date, under a lock, and exit.
    Migrate(MigrateConfig),
    /// Exit with 0 when the API on this machine is ready, else with 1.
    Healthcheck(HealthcheckConfig),
}

/// Settings of `migrate`.
#[derive(Debug, Args)]
pub struct MigrateConfig {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// How lines look.
    #[command(flatten)]
    pub log: LogConfig,
}

/// Settings of `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckConfig {
    /// Where the API listens.
    #[arg(long, env = "BIND_ADDRESS", default_value = "0.0.0.0:8080")]
    pub bind_address: SocketAddr,
}

/// Does what the command line says. `settings` is what it amounts to, for the log.
pub fn run(cli: Cli, settings: &str) -> ExitCode {
    let done = match cli.command {
        Command::Serve(config) => config.log.install().and_then(|()| {
            tracing::info!(settings, "configuration");
            runtime()?.block_on(app::serve(*config))
        }),
        Command::Migrate(config) => {
            config.log.install().and_then(|()| runtime()?.block_on(migrate::run(&config.database)))
        }
        Command::Healthcheck(config) => {
            runtime().map_err(Into::into).and_then(|rt| rt.block_on(healthcheck::run(config.bind_address.port())))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// A heartbeat never leaves its HTTP thread. What is left for this runtime drives the connections to the servers, and runs
/// the tasks that keep promises: two threads, so that a long response being read keeps no watermark probe waiting.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Cli;

    #[test]
    fn a_jwt_secret_that_is_too_short_is_refused_without_being_quoted() {
        let refused = Cli::try_parse_from(["pulso-api", "serve", "--jwt-secret", "hunter2"]).unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("JWT_SECRET must be at least 32 bytes"), "{told}");
        assert!(!told.contains("hunter2") && !format!("{refused:?}").contains("hunter2"), "{told}");
    }
}
