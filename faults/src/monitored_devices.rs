//! Devices whose status the offline detector decides, beside those of the ledger.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_simulator::presence::{OutageRun, Population, PopulationSpec, SendLog};
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use tokio::time::Instant;

use crate::database;
use crate::deployment::Deployment;
use crate::outcome::Outcome;

/// Devices in an outage.
const DEVICES: usize = 60;
/// Of those, the ones that fail.
const FAILING: usize = 15;
/// How long storage may take to hold what was accepted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(500);

/// Starts devices of which some will fail. They may be silent for less than the outage lasts.
pub async fn start(deployment: &Deployment<'_>) -> Result<OutageRun, Failure> {
    let (offline_after_s, interval_s) = if deployment.testbed.cli.quick { (8, 2) } else { (15, 5) };
    start_at(deployment, &deployment.url(), offline_after_s, interval_s).await
}

/// The same, with devices that send to that address, this often, and may be silent for so long.
pub async fn start_at(
    deployment: &Deployment<'_>,
    url: &str,
    offline_after_s: u32,
    interval_s: u64,
) -> Result<OutageRun, Failure> {
    let mut spec = population_spec(deployment, DEVICES, offline_after_s, interval_s)?;
    url.clone_into(&mut spec.owner.url);
    OutageRun::start(Population::enrol(spec, &Screen::silent()).await?, FAILING).await
}

/// So many devices of the deployment's owner.
pub fn population_spec(
    deployment: &Deployment<'_>,
    devices: usize,
    offline_after_s: u32,
    interval_s: u64,
) -> Result<PopulationSpec, Failure> {
    Ok(PopulationSpec {
        owner: deployment.owner.clone(),
        name_prefix: "presence".to_owned(),
        devices: NonZeroUsize::new(devices).ok_or("no devices")?,
        offline_after_s,
        interval: Duration::from_secs(interval_s),
    })
}

/// Ends the devices, and adds the verdict and the rows to the outcome. `is_ingest_down`: whether devices must
/// have been refused for longer than they may be silent.
pub async fn finish(
    deployment: &Deployment<'_>,
    devices: OutageRun,
    recovered: Instant,
    is_ingest_down: bool,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let ago = TimeDelta::from_std(recovered.elapsed())?;
    let (verdict, logs, population) = devices.finish(Clock::system().now() - ago).await?;
    outcome.note(verdict.summary());
    for violation in verdict.violations() {
        outcome.require(false, format!("presence: {violation}"));
    }
    let is_conclusive = !is_ingest_down || verdict.is_conclusive();
    outcome.require(
        is_conclusive,
        "presence: the outage was shorter than the devices may be silent: it has shown nothing",
    );
    add_rows(deployment, &population, &logs, outcome).await
}

/// Adds these devices' heartbeats to what was accepted and stored, once they are stored.
pub async fn add_rows(
    deployment: &Deployment<'_>,
    population: &Population,
    logs: &[SendLog],
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let devices: Vec<String> = population.ids().map(|id| id.as_uuid().to_string()).collect();
    let logs: HashMap<String, &SendLog> = devices.iter().cloned().zip(logs).collect();
    let end = Instant::now() + DRAIN_TIMEOUT;
    loop {
        let rows = Rows::compare(&logs, &read_rows(&deployment.testbed.servers.database_url, &devices).await?);
        if rows.lost == 0 || Instant::now() >= end {
            rows.add_to(outcome);
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The stored rows of devices: id and timestamp, µs.
async fn read_rows(url: &str, devices: &[String]) -> Result<Vec<(String, i64)>, Failure> {
    let sql = "SELECT device_id::text, (extract(epoch FROM ts) * 1000000)::bigint FROM heartbeats
        WHERE device_id = ANY ($1::text[]::uuid[])";
    let rows = database::connect(url).await?.query(sql, &[&devices]).await?;
    let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    pairs.collect::<Result<_, tokio_postgres::Error>>().map_err(Failure::from)
}

/// What was accepted, compared with what is stored.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    accepted: usize,
    lost: usize,
    /// Stored twice, or never sent.
    doubled: usize,
}

impl Rows {
    fn compare(logs: &HashMap<String, &SendLog>, stored: &[(String, i64)]) -> Self {
        let micros = |times: &[DateTime<Utc>]| times.iter().map(DateTime::timestamp_micros).collect::<Vec<_>>();
        let mut rows = Self::default();
        let mut left: HashSet<(&str, i64)> = HashSet::new();
        for (device, log) in logs {
            left.extend(micros(&log.sent).into_iter().map(|at| (device.as_str(), at)));
        }
        rows.doubled = stored.iter().filter(|(device, at)| !left.remove(&(device.as_str(), *at))).count();
        for (device, log) in logs {
            let accepted = micros(&log.accepted);
            rows.accepted = rows.accepted.saturating_add(accepted.len());
            let lost = accepted.iter().filter(|at| left.contains(&(device.as_str(), **at))).count();
            rows.lost = rows.lost.saturating_add(lost);
        }
        rows
    }

    fn add_to(&self, outcome: &mut Outcome) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        outcome.accepted = outcome.accepted.saturating_add(number(self.accepted));
        outcome.stored = outcome.stored.saturating_add(number(self.accepted.saturating_sub(self.lost)));
        outcome.lost = outcome.lost.saturating_add(number(self.lost));
        outcome.doubled = outcome.doubled.saturating_add(number(self.doubled));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::DateTime;
    use pulso_simulator::presence::SendLog;

    use super::Rows;

    fn compare(sent: &[i64], accepted: &[i64], stored: &[(&str, i64)]) -> Rows {
        let at = |micros: &i64| DateTime::from_timestamp_micros(*micros).unwrap();
        let (sent, accepted) = (sent.iter().map(at).collect(), accepted.iter().map(at).collect());
        let log = SendLog { sent, accepted, ..SendLog::default() };
        let stored: Vec<_> = stored.iter().map(|(device, at)| ((*device).to_owned(), *at)).collect();
        Rows::compare(&HashMap::from([("a".to_owned(), &log)]), &stored)
    }

    #[test]
    fn what_was_accepted_and_is_not_stored_is_lost() {
        assert_eq!(compare(&[1, 2], &[1, 2], &[("a", 1)]), Rows { accepted: 2, lost: 1, doubled: 0 });
        assert_eq!(compare(&[1, 2], &[1, 2], &[("a", 1), ("b", 2)]), Rows { accepted: 2, lost: 1, doubled: 1 });
    }

    #[test]
    fn what_was_sent_and_got_no_answer_may_be_stored_but_nothing_else_and_nothing_twice() {
        assert_eq!(compare(&[1, 2], &[1], &[("a", 1), ("a", 2)]), Rows { accepted: 1, lost: 0, doubled: 0 });
        assert_eq!(compare(&[1], &[1], &[("a", 1), ("a", 1), ("a", 3)]), Rows { accepted: 1, lost: 0, doubled: 2 });
    }
}
