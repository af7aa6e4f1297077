//! The composition root: builds everything from the configuration, runs it, stops it in order.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::metrics;
use pulso_shared::supervisor::Supervisor;

use crate::config::{Cli, Command, WorkerConfig};
use crate::dead_letters::{DeadLetterPublisher, command};
use crate::health::{self, Readiness};
use crate::jobs::{self, JobSettings, RetentionPolicy, WatermarkReporter};
use crate::pipeline::consumer;
use crate::pipeline::{SessionSettings, Writer};
use crate::storage::Database;

/// After SIGTERM. Above the consumer's drain timeout of 20 s, which is what ends a normal stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line. `settings` is what it amounts to, for the log.
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
            let done = runtime().map_err(Into::into).and_then(|rt| rt.block_on(command::run(config)));
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

/// A person's command writes its errors to the terminal, not to a log.
fn complain(failure: &dyn std::error::Error) -> ExitCode {
    // Nothing is left to be done when the terminal is gone.
    let _ = writeln!(std::io::stderr(), "pulso-worker: {failure}");
    ExitCode::FAILURE
}

/// Two threads: one decodes the next batch while the other encodes this one.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Stores until the shutdown. The order matters: partitions and watermark come before the first message is consumed.
async fn work(config: WorkerConfig) -> Result<(), StartError> {
    let WorkerConfig { ops_address, database_url, broker, batch, retention, rollup_retention_days, .. } = config;
    let retention = RetentionPolicy { raw_days: retention.retention_days, rollup_days: rollup_retention_days };
    let (clock, mut supervisor) = (Clock::system(), Supervisor::on_signal()?);
    let (in_flight, throughput) = (Arc::default(), Arc::default());
    let readiness = serve_operations(&mut supervisor, ops_address)?;
    jobs::create_first_partitions(&database_url, retention, clock).await;
    let jobs =
        JobSettings { database_url: database_url.clone(), retention, throughput: Arc::clone(&throughput), clock };
    jobs::spawn_all(&mut supervisor, jobs);
    let watermark = Arc::new(WatermarkReporter::new(database_url.clone(), Arc::clone(&in_flight)));
    watermark.report_first().await;
    supervisor.spawn_background("watermark", Arc::clone(&watermark).run());
    let topology = Topology::new(&broker);
    let dead_letters = DeadLetterPublisher::new(broker.amqp_url.clone(), topology.clone(), clock);
    let database = Database::new(database_url);
    let writer = Writer { database, dead_letters, in_flight: Arc::clone(&in_flight), throughput, clock };
    let session = SessionSettings { amqp_url: broker.amqp_url, topology, batch, clock, in_flight };
    let shutdown = supervisor.shutdown();
    supervisor.spawn("consumer", async move {
        consumer::run(session, writer, readiness, shutdown).await;
        watermark.report_last().await;
    });
    supervisor.run(STOP_TIMEOUT).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the server of `/livez`, `/readyz` and `/metrics`.
fn serve_operations(supervisor: &mut Supervisor, address: SocketAddr) -> Result<Arc<Readiness>, StartError> {
    let readiness = Arc::new(Readiness::default());
    let metrics = metrics::install()?;
    let server = health::serve(address, Arc::clone(&readiness), metrics.clone())?;
    supervisor.spawn_background("metrics upkeep", metrics::run_upkeep(metrics));
    supervisor.spawn_background("health server", async {
        if let Err(error) = server.await {
            tracing::error!(%error, "health server failed");
        }
    });
    Ok(readiness)
}
