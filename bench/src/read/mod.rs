//! The reading benchmark: a large history, loaded once; queries at the API, one after the other; ingest into the large
//! table and an empty one, and ingest while the queries run.
//!
//! ```text
//!  dataset (COPY) ─▶ large Site ─┬▶ queries: medians at the API; stream: all readings, and the API's memory meanwhile
//!                    empty Site ─┴▶ ingest: alternating rounds ─▶ report: a table with the targets, JSON
//! ```

pub mod config;
mod copy;
mod dataset;
mod ingest;
mod progress;
mod queries;
mod report;
mod site;
mod stream;

use std::process::ExitCode;

use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;

use crate::Failure;
use config::ReadConfig;
use queries::Habit;
use report::Report;
use site::{Site, Sites};

/// Measures and tells.
///
/// # Errors
/// When it could not be measured.
pub async fn run(config: &ReadConfig, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let mut sites = Sites::default();
    let measured = tokio::select! {
        measured = measure(config, &mut sites, screen) => measured,
        () = shutdown.requested() => Err("interrupted".into()),
    };
    screen.line("stopping what was started; the data set stays for the next run");
    sites.close(screen).await;
    let report = measured?;
    for line in report.lines() {
        screen.line(&line);
    }
    if let Some(path) = &config.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(if report.is_true() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(config: &ReadConfig, sites: &mut Sites, screen: &Screen) -> Result<Report, Failure> {
    let large = sites.large.insert(Site::large(config, screen).await?);
    let data = dataset::ensure(config, large, screen).await?;
    large.start_worker().await?;
    dataset::wait_until_rolled_up(large, &data, screen).await?;
    let people = queries::People::sign_in(large.api_url()).await?;
    let asked = queries::measure(&people, &data, config, screen).await?;
    let streamed = stream::measure(large, &data, screen).await?;
    let mut report = Report::new(config, &data, asked, streamed);
    if config.rounds > 0 {
        large.enrol(screen).await?;
        let empty = sites.empty.insert(Site::empty(config, screen).await?);
        empty.start_worker().await?;
        empty.enrol(screen).await?;
        report.rates = ingest::compare_tables(config, large, empty, screen).await?;
        report.loss = ingest::compare_queries(config, large, &people, &data, Habit::Refreshed, screen).await?;
        report.loss_anew = ingest::compare_queries(config, large, &people, &data, Habit::Anew, screen).await?;
    }
    Ok(report)
}
