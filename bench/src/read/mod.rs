//! The reading benchmark: a large history, loaded once; queries at the API, one after the other; ingest into the large
//! table and an empty one, and ingest while the queries run.
//!
//! ```text
//!  dataset (COPY) ─▶ large deployment ─┬▶ queries: medians at the API; stream: all readings, and the API's memory meanwhile
//!                    empty deployment ─┴▶ ingest: alternating rounds ─▶ report: a table with the targets, JSON
//! ```

pub mod config;
mod copy;
mod dataset;
mod deployment;
mod ingest;
mod progress;
mod queries;
mod report;
mod stream;

use std::process::ExitCode;

use pulso_shared::shutdown::Shutdown;
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;

use config::ReadConfig;
use deployment::{Deployment, Deployments};
use queries::CachePattern;
use report::Report;

/// Measures and reports.
pub async fn run(config: &ReadConfig, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let mut deployments = Deployments::default();
    let measured = tokio::select! {
        measured = measure(config, &mut deployments, screen) => measured,
        () = shutdown.requested() => Err("interrupted".into()),
    };
    screen.line("stopping what was started; the data set is kept for the next run");
    deployments.close(screen).await;
    let report = measured?;
    for line in report.lines() {
        screen.line(&line);
    }
    if let Some(path) = &config.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(if report.is_consistent() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(config: &ReadConfig, deployments: &mut Deployments, screen: &Screen) -> Result<Report, Failure> {
    let large = deployments.large.insert(Deployment::large(config, screen).await?);
    let data = dataset::ensure(config, large, screen).await?;
    large.start_worker().await?;
    dataset::wait_until_rolled_up(large, &data, screen).await?;
    let readers = queries::Readers::sign_in(large.api_url()).await?;
    let queried = queries::measure(&readers, &data, config, screen).await?;
    let streamed = stream::measure(large, &data, screen).await?;
    let mut report = Report::new(config, &data, queried, streamed);
    if config.rounds > 0 {
        large.enrol(screen).await?;
        let empty = deployments.empty.insert(Deployment::empty(config, screen).await?);
        empty.start_worker().await?;
        empty.enrol(screen).await?;
        report.rates = ingest::compare_tables(config, large, empty, screen).await?;
        report.loss = ingest::compare_queries(config, large, &readers, &data, CachePattern::Repeated, screen).await?;
        report.loss_anew =
            ingest::compare_queries(config, large, &readers, &data, CachePattern::Distinct, screen).await?;
    }
    Ok(report)
}
