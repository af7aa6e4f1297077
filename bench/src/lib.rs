//! The benchmark: spawns the API and a worker, drives them with the simulator's load generator, and prints what came
//! of it next to what the parts can do on their own.
//!
//! ```text
//!  Site (database, queues, api, worker, devices) ─▶ program (loads, floors) ─▶ Report ─▶ table, JSON, exit status
//! ```

mod bare;
pub mod config;
mod cpus;
mod database;
mod floors;
mod gauges;
mod http;
mod load;
mod outcome;
mod processes;
mod program;
mod queues;
mod read;
mod report;
mod running;
mod service;
mod site;
mod table;

use std::process::ExitCode;

use config::{BenchConfig, Cli, Command};
use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;
use report::Report;
use site::Site;

/// Why it could not be measured; the text is what the user reads.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Exit status: it could not be measured.
const NOT_MEASURED: u8 = 2;

/// Does what the command line says.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let screen = Screen::default();
    let done = match (cli.command, cli.bench) {
        (Some(Command::BareRoute(config)), _) => actix_web::rt::System::new()
            .block_on(bare::serve(config))
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::from),
        (Some(Command::Read(config)), _) => {
            runtime().map_err(Failure::from).and_then(|rt| rt.block_on(read::run(&config, &screen)))
        }
        (None, Some(config)) => runtime().map_err(Failure::from).and_then(|rt| rt.block_on(bench(&config, &screen))),
        (None, None) => Err("nothing to do; see --help".into()),
    };
    done.unwrap_or_else(|failure| {
        screen.line(&format!("pulso-bench: {failure}"));
        ExitCode::from(NOT_MEASURED)
    })
}

/// One thread: the load generator has threads of its own, and everything else here waits.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn bench(config: &BenchConfig, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let mut site = Site::new(config).await?;
    let measured = tokio::select! {
        measured = program::run(config, &mut site, screen) => measured,
        () = shutdown.requested() => Err("interrupted".into()),
    };
    screen.line("removing everything that was started");
    site.remove(screen).await;
    let report = measured?;
    tell(config, &report, screen)?;
    let met = report.is_true() && (!config.strict || report.verdicts().iter().all(|verdict| verdict.met));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(config: &BenchConfig, report: &Report, screen: &Screen) -> Result<(), Failure> {
    for line in table::lines(report) {
        screen.line(&line);
    }
    if let Some(path) = &config.json {
        std::fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    Ok(())
}
