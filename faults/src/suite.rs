//! The cases, one after the other.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;

use crate::cases::{self, Case};
use crate::cli::Cli;
use crate::outcome::Outcome;
use crate::replica::migrate;
use crate::table;
use crate::testbed::Testbed;

/// Exit status: the suite could not go on.
const FAILED: u8 = 2;

/// Runs what the command line asks for.
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
        if !all.iter().any(|case| case.is_selected_by(wanted)) {
            return Err(format!("there is no case {wanted:?}; --list names them"));
        }
    }
    let is_chosen = |case: &Case| only.is_empty() || only.iter().any(|wanted| case.is_selected_by(wanted));
    Ok(all.into_iter().filter(is_chosen).collect())
}

async fn run_all(cli: Cli, chosen: &[Case]) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let started = Instant::now();
    let testbed = tokio::select! {
        testbed = prepare(cli) => testbed?,
        () = shutdown.requested() => return Ok(ExitCode::from(FAILED)),
    };
    let mut rows = Vec::new();
    for (place, case) in chosen.iter().enumerate() {
        let (number, of, passed) = (place.saturating_add(1), chosen.len(), minutes(started.elapsed()));
        testbed.screen.line(&format!("[{number}/{of}, {passed}] {}: {}", case.full_name(), case.about));
        let outcome = tokio::select! {
            outcome = (case.run)(&testbed) => outcome.unwrap_or_else(|failure| aborted(&failure)),
            () = shutdown.requested() => break,
        };
        for line in table::lines(&case.full_name(), &outcome) {
            testbed.screen.line(&line);
        }
        // Whatever the case has left down, the next one needs all servers.
        testbed.servers.up().await?;
        rows.push((case.full_name(), outcome));
    }
    show(&testbed.screen, &rows, started.elapsed());
    testbed.servers.remove().await?;
    let complete = rows.len() == chosen.len();
    let passed = rows.iter().all(|(_, outcome)| outcome.passed());
    Ok(match (complete, passed) {
        (true, true) => ExitCode::SUCCESS,
        (_, false) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(FAILED),
    })
}

/// Starts the servers, and brings the schema up to date.
async fn prepare(cli: Cli) -> Result<Testbed, Failure> {
    let testbed = Testbed::start(cli).await?;
    migrate(&testbed).await?;
    Ok(testbed)
}

fn aborted(failure: &Failure) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.require(false, format!("aborted: {failure}"));
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::choose;
    use crate::cases;

    #[test]
    fn a_group_a_case_or_everything_is_chosen_and_an_unknown_case_is_named() {
        let chosen = |only: &[&str]| choose(&only.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&[]).unwrap().len(), cases::all().len());
        let names = |only: &[&str]| -> Vec<_> { chosen(only).unwrap().iter().map(cases::Case::full_name).collect() };
        assert_eq!(names(&["redis/slow", "soak"]), ["redis/slow", "soak/steady"]);
        assert!(chosen(&["redis", "redis/none"]).err().unwrap().contains("\"redis/none\""));
    }

    #[test]
    fn no_two_cases_share_a_name_or_a_folder() {
        let names: HashSet<_> = cases::all().iter().map(|case| case.full_name().replace('/', "-")).collect();
        assert_eq!(names.len(), cases::all().len());
    }
}
