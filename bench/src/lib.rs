//! The benchmark: starts the API and a worker, drives them with the simulator's load generator, and prints the results
//! next to what the parts can do on their own.
//!
//! ```text
//!  Testbed (database, queues, api, worker, devices) ─▶ schedule (loads, floors) ─▶ Report ─▶ table, JSON, exit status
//! ```

mod bare_route;
pub mod config;
mod cpus;
mod database;
mod floors;
mod gauges;
mod launcher;
mod load;
mod metrics_page;
mod processes;
mod queues;
mod read;
mod report;
mod results;
mod schedule;
mod system;
mod table;
mod testbed;

use std::process::ExitCode;

use config::{BenchConfig, Cli, Command};
use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use report::Report;
use testbed::Testbed;

/// Exit status: it could not be measured.
const NOT_MEASURED: u8 = 2;

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let screen = Screen::default();
    let done = match (cli.command, cli.bench) {
        (Some(Command::BareRoute(config)), _) => actix_web::rt::System::new()
            .block_on(bare_route::serve(config))
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

/// One thread: the load generator has threads of its own, and everything else only waits.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn bench(config: &BenchConfig, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let mut testbed = Testbed::new(config).await?;
    let measured = tokio::select! {
        measured = schedule::run(config, &mut testbed, screen) => measured,
        () = shutdown.requested() => Err("interrupted".into()),
    };
    screen.line("removing everything that was started");
    testbed.remove(screen).await;
    let report = measured?;
    show(config, &report, screen)?;
    let met = report.is_consistent() && (!config.strict || report.target_checks().iter().all(|check| check.met));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(config: &BenchConfig, report: &Report, screen: &Screen) -> Result<(), Failure> {
    for line in table::lines(report) {
        screen.line(&line);
    }
    if let Some(path) = &config.json {
        std::fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    Ok(())
}
