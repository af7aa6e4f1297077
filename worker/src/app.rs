//! The composition root: builds everything from the configuration, runs it, stops it in order.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::metrics;
use pulso_shared::shutdown::Shutdown;

use crate::config::{Cli, Command, WorkerConfig};
use crate::consumer::{self, ConsumerSettings};
use crate::health::{self, Readiness};
use crate::presence::{Holdings, Marks, keep_clock};
use crate::retention::{self, RetentionPolicy};
use crate::storage::{Database, partitions};
use crate::{dead_letters_command, rollup, throughput};

type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Does what the command line says. `settings` is what it amounts to, for the log.
#[must_use]
pub fn run(cli: Cli, settings: &str) -> ExitCode {
    let done = match cli.command {
        Command::Run(config) => config.log.install().and_then(|()| {
            tracing::info!(settings, "configuration");
            runtime()?.block_on(work(*config))
        }),
        Command::Healthcheck(config) => {
            runtime().map_err(Into::into).and_then(|rt| rt.block_on(health::check(config.ops_address.port())))
        }
        Command::DeadLetters(config) => {
            let done = runtime().map_err(Into::into).and_then(|rt| rt.block_on(dead_letters_command::run(config)));
            return done.map_or_else(|failure| complain(&*failure), |()| ExitCode::SUCCESS);
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

/// A command of a person's has no log.
fn complain(failure: &dyn std::error::Error) -> ExitCode {
    // A terminal that is gone cannot be told anything.
    let _ = writeln!(std::io::stderr(), "pulso-worker: {failure}");
    ExitCode::FAILURE
}

/// Two threads: one decodes the next batch while the other encodes this one.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

async fn work(config: WorkerConfig) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signal()?;
    let clock = Clock::system();
    let readiness = Arc::new(Readiness::default());
    let server = health::serve(config.ops_address, Arc::clone(&readiness), metrics::install()?)?;
    let health = server.handle();
    tokio::spawn(server);
    let database_url = config.database.database_url;
    partitions::make_ready(&database_url, clock).await;
    tokio::spawn(partitions::keep_ready(database_url.clone(), clock));
    tokio::spawn(rollup::keep_rolled(database_url.clone(), clock));
    tokio::spawn(throughput::keep_written(database_url.clone(), clock));
    tokio::spawn(retention::purge_deleted_devices(database_url.clone()));
    let policy =
        RetentionPolicy { raw_days: config.retention.retention_days, rollup_days: config.rollup_retention_days };
    tokio::spawn(retention::keep(database_url.clone(), policy, clock));
    let holdings = Arc::new(Holdings::default());
    let marks = Arc::new(Marks::new(database_url.clone(), Arc::clone(&holdings)));
    marks.enter().await;
    tokio::spawn(Arc::clone(&marks).keep());
    tokio::spawn(keep_clock(database_url.clone(), clock));
    let settings = ConsumerSettings {
        topology: Topology::new(&config.broker),
        amqp_url: config.broker.amqp_url,
        batch: config.batch,
        clock,
        holdings,
    };
    consumer::run(settings, Database::new(database_url), readiness, shutdown).await;
    marks.leave().await;
    health.stop(false).await;
    tracing::info!("stopped");
    Ok(())
}
