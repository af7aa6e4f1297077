//! The benchmark: spawns the API and a worker, drives them with the simulator's load generator, and prints what came
//! of it next to what the parts can do on their own.
//!
//! ```text
//!  Site (database, queues, api, worker, devices) ─▶ scenarios, floors ─▶ Report ─▶ table, JSON, exit status
//! ```

pub mod bare;
pub mod config;
mod database;
mod devices;
mod gauges;
mod http;
mod processes;
mod scenario;
mod screen;
mod service;
mod site;

use std::process::ExitCode;

use config::{BenchConfig, Cli, Command};
use pulso_shared::shutdown::Shutdown;
use site::Site;

/// Why it could not be measured; the text is what the user reads.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Exit status: it could not be measured.
const NOT_MEASURED: u8 = 2;

/// Does what the command line says.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match (cli.command, cli.bench) {
        (Some(Command::BareRoute(config)), _) => actix_web::rt::System::new()
            .block_on(bare::serve(config))
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::from),
        (None, Some(config)) => runtime().map_err(Failure::from).and_then(|rt| rt.block_on(bench(config))),
        (None, None) => Err("nothing to do; see --help".into()),
    };
    done.unwrap_or_else(|failure| {
        screen::line(&format!("pulso-bench: {failure}"));
        ExitCode::from(NOT_MEASURED)
    })
}

/// One thread: the load generator has threads of its own, and everything else here waits.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn bench(config: BenchConfig) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let mut site = Site::new(&config).await?;
    let measured = tokio::select! {
        measured = measure(&config, &mut site) => measured,
        () = shutdown.ordered() => Err("interrupted".into()),
    };
    site.remove().await;
    measured
}

async fn measure(config: &BenchConfig, site: &mut Site) -> Result<ExitCode, Failure> {
    site.start(config).await?;
    scenario::first_look(config, site).await?;
    Ok(ExitCode::SUCCESS)
}
