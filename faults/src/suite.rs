//! The cases, one after the other.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;

use crate::cases::{self, Case};
use crate::cli::Cli;
use crate::outcome::Outcome;
use crate::site::Site;
use crate::{Failure, table};

/// Exit status: the suite could not go on.
const FAILED: u8 = 2;

/// Does what the command line says.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let screen = Screen::default();
    let chosen = match choose(&cli.only) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            screen.line(&format!("pulso-faults: {unknown}"));
            return ExitCode::from(FAILED);
        }
    };
    if cli.list {
        for case in chosen {
            screen.line(&format!("{:<26}{}", case.full_name(), case.about));
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run_all(cli, &chosen)));
    done.unwrap_or_else(|failure| {
        screen.line(&format!("pulso-faults: {failure}"));
        ExitCode::from(FAILED)
    })
}

fn choose(only: &[String]) -> Result<Vec<Case>, String> {
    let all = cases::all();
    for wanted in only {
        if !all.iter().any(|case| case.is_meant_by(wanted)) {
            return Err(format!("there is no case {wanted:?}; --list names them"));
        }
    }
    let is_chosen = |case: &Case| only.is_empty() || only.iter().any(|wanted| case.is_meant_by(wanted));
    Ok(all.into_iter().filter(is_chosen).collect())
}

async fn run_all(cli: Cli, chosen: &[Case]) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let started = Instant::now();
    let site = tokio::select! {
        site = Site::open(cli) => site?,
        () = shutdown.requested() => return Ok(ExitCode::from(FAILED)),
    };
    let mut rows = Vec::new();
    for (place, case) in chosen.iter().enumerate() {
        let (number, of, passed) = (place.saturating_add(1), chosen.len(), minutes(started.elapsed()));
        site.screen.line(&format!("[{number}/{of}, {passed}] {}: {}", case.full_name(), case.about));
        let outcome = tokio::select! {
            outcome = (case.run)(&site) => outcome.unwrap_or_else(|failure| broken_off(&failure)),
            () = shutdown.requested() => break,
        };
        for line in table::lines(&case.full_name(), &outcome) {
            site.screen.line(&line);
        }
        // Whatever the case has left behind, the next one finds all servers.
        site.services.up().await?;
        rows.push((case.full_name(), outcome));
    }
    show(&site.screen, &rows, started.elapsed());
    site.services.remove().await?;
    let complete = rows.len() == chosen.len();
    let passed = rows.iter().all(|(_, outcome)| outcome.passed());
    Ok(match (complete, passed) {
        (true, true) => ExitCode::SUCCESS,
        (_, false) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(FAILED),
    })
}

fn broken_off(failure: &Failure) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.require(false, format!("broken off: {failure}"));
    outcome
}

fn show(screen: &Screen, rows: &[(String, Outcome)], lasted: Duration) {
    screen.line("");
    screen.line(&table::header());
    for line in rows.iter().flat_map(|(case, outcome)| table::lines(case, outcome)) {
        screen.line(&line);
    }
    let count = |verdict: &str| rows.iter().filter(|(_, outcome)| outcome.verdict() == verdict).count();
    screen.line("");
    screen.line(&format!(
        "{} passed, {} failed, {} skipped in {}: {} accepted, {} lost, {} doubled",
        count("pass"),
        count("FAIL"),
        count("skipped"),
        minutes(lasted),
        rows.iter().map(|(_, outcome)| outcome.accepted).sum::<u64>(),
        rows.iter().map(|(_, outcome)| outcome.lost).sum::<u64>(),
        rows.iter().map(|(_, outcome)| outcome.doubled).sum::<u64>(),
    ));
}

fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
