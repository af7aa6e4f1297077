//! Wrong clocks: the devices', and the servers' own (by libfaketime, where that is installed).

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_simulator::load::HEARTBEATS;
use pulso_testkit::Failure;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, STEADY, run_under_load};
use crate::database;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::outcome::Outcome;
use crate::replica::Variables;
use crate::testbed::Testbed;

/// Where Debian's package libfaketime puts it.
const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// How long libfaketime may cache the clock (`FAKETIME_CACHE_DURATION`), and a margin.
const CLOCK_CACHED: Duration = Duration::from_millis(1_500);

pub async fn devices(testbed: &Testbed) -> CaseResult {
    let deployment = Deployment::start(testbed, "time/devices", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    tokio::time::sleep(STEADY).await;
    let (past, future) = (json!({"timestamp": "1970-01-01T00:00:00Z"}), json!({"timestamp": "2099-12-31T23:59:59Z"}));
    let now = json!({"timestamp": Clock::system().now().to_rfc3339()});
    let mut wrong = Vec::new();
    for (body, status, accepted) in [
        (past.clone(), 422, None),
        (future.clone(), 422, None),
        (json!([past, future]), 422, None),
        (json!([past, now, future]), 202, Some(1)),
        // A heartbeat without a timestamp gets the API's.
        (json!({"cpu": 1}), 202, Some(1)),
    ] {
        let (answered, taken) = send(&deployment, 0, &body).await?;
        if answered != status || taken != accepted {
            wrong.push(format!("{body}: {answered}, {taken:?} accepted"));
        }
    }
    let mut outcome = deployment.settle(load).await?;
    outcome.require(wrong.is_empty(), wrong.join("; "));
    outcome.note("1970 and 2099 are 422 (in an array: named, and the others accepted)");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

/// A clock that the suite sets, for the API and the worker of one case.
struct FakeClock {
    file: PathBuf,
}

impl FakeClock {
    /// `None` where there is no libfaketime.
    fn new(folder: &Path, case: &str) -> Result<Option<(Self, Variables)>, Failure> {
        let Some(library) = FAKETIME.iter().find(|library| Path::new(library).exists()) else { return Ok(None) };
        let clock = Self { file: folder.join(format!("clock-{case}")) };
        clock.shift(TimeDelta::zero())?;
        let variables = vec![
            ("LD_PRELOAD", (*library).to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // Only the time of day is wrong: timers use the monotonic clock.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Ok(Some((clock, variables)))
    }

    fn shift(&self, by: TimeDelta) -> Result<(), Failure> {
        Ok(std::fs::write(&self.file, format!("{:+}\n", by.num_seconds()))?)
    }
}

fn plan(variables: &Variables) -> DeploymentPlan {
    DeploymentPlan { api: variables.clone(), worker: variables.clone(), ..DeploymentPlan::default() }
}

fn no_faketime() -> Outcome {
    Outcome::skipped("libfaketime is not installed (apt-get install libfaketime)")
}

pub async fn server_clock(testbed: &Testbed) -> CaseResult {
    let Some((clock, variables)) = FakeClock::new(&home(testbed)?, "server")? else { return Ok(no_faketime()) };
    let mut seen = Vec::new();
    let fault = async |deployment: &mut Deployment<'_>| {
        for (hours, status) in [(1, 202), (-1, 422), (0, 202)] {
            clock.shift(TimeDelta::hours(hours))?;
            tokio::time::sleep(CLOCK_CACHED + deployment.testbed.lasting(20, 2)).await;
            let (answered, _) =
                send(deployment, 0, &json!({"timestamp": Clock::system().now().to_rfc3339(), "cpu": 1})).await?;
            seen.push((hours, answered, status));
        }
        Ok(Instant::now())
    };
    let ended = run_under_load(testbed, "time/server-clock", plan(&variables), Recovery::Accepting, fault).await?;
    let (mut outcome, responses) = ended;
    outcome.require(responses.are_only(&[202, 422]), "something else than 202 and 422 was answered");
    for (hours, answered, status) in seen {
        let right = answered == status;
        outcome.require(right, format!("with a clock {hours:+} h the answer was {answered} instead of {status}"));
    }
    outcome.note(
        "an hour ahead: accepted; an hour behind: 422, since the devices' timestamps are in the future then; right again: accepted",
    );
    Ok(outcome)
}

pub async fn midnight(testbed: &Testbed) -> CaseResult {
    let Some((clock, variables)) = FakeClock::new(&home(testbed)?, "midnight")? else { return Ok(no_faketime()) };
    let url = &testbed.servers.database_url;
    let midnight = (Clock::system().now() + TimeDelta::days(1)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let tomorrow = format!("heartbeats_{}", midnight.format("%Y%m%d"));
    let mut deployment = Deployment::start(testbed, "time/midnight", plan(&variables)).await?;
    // Without a partition created ahead: the rows of the new day are in the default one, and move when there is one.
    database::execute(url, &format!("DROP TABLE IF EXISTS {tomorrow}")).await?;
    let first = across(&deployment, &clock, midnight, 0).await?;
    let in_default = rows(&deployment, "heartbeats_default", 0).await?;
    deployment.end_workers(false).await?;
    deployment.run_workers(1).await?;
    let moved = rows(&deployment, &tomorrow, 0).await?;
    // With it.
    let second = across(&deployment, &clock, midnight, 1).await?;
    let made_ahead = rows(&deployment, &tomorrow, 1).await?;
    let mut outcome = Outcome { load: "20/s over midnight".into(), accepted: first + second, ..Outcome::default() };
    outcome.stored = rows(&deployment, "heartbeats", 0).await? + rows(&deployment, "heartbeats", 1).await?;
    outcome.lost = outcome.accepted.saturating_sub(outcome.stored);
    outcome.doubled = outcome.stored.saturating_sub(outcome.accepted);
    outcome.require(in_default > 0, "no row came after midnight without a partition");
    outcome.require(moved == in_default, format!("{moved} of {in_default} rows moved into the new day's partition"));
    outcome.require(made_ahead > 0, "no row came after midnight with a partition");
    outcome.note(format!("without a partition: {in_default} rows of the new day waited in the default one and moved; with it: {made_ahead}"));
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

/// Sends as one device over midnight, at the servers' time; how many were accepted, once they are stored.
async fn across(
    deployment: &Deployment<'_>,
    clock: &FakeClock,
    midnight: DateTime<Utc>,
    device: usize,
) -> Result<u64, Failure> {
    let shift = TimeDelta::seconds((midnight - Clock::system().now()).num_seconds().saturating_sub(5));
    clock.shift(shift)?;
    tokio::time::sleep(CLOCK_CACHED).await;
    let mut accepted = 0_u64;
    let end = midnight + TimeDelta::seconds(3);
    while Clock::system().now() + shift < end {
        let (status, _) =
            send(deployment, device, &json!({"timestamp": (Clock::system().now() + shift).to_rfc3339(), "cpu": 1}))
                .await?;
        accepted = accepted.saturating_add(u64::from(status == 202));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    deployment.until_stored().await?;
    tokio::time::sleep(STEADY / 2).await;
    Ok(accepted)
}

/// How many rows of a device are in a table.
async fn rows(deployment: &Deployment<'_>, table: &str, device: usize) -> Result<u64, Failure> {
    let device = deployment.devices.iter().nth_back(device).ok_or("no such device")?.id.as_uuid();
    let sql = format!("SELECT count(*) FROM {table} WHERE device_id = '{device}'");
    Ok(u64::try_from(database::count(&deployment.testbed.servers.database_url, &sql).await?)?)
}

/// Sends as one device, counted from the last; the status, and how many were accepted.
async fn send(deployment: &Deployment<'_>, device: usize, body: &Value) -> Result<(u16, Option<u64>), Failure> {
    let answer = deployment.device_client(device)?.try_post(HEARTBEATS, body).await?;
    Ok((answer.status, answer.body.get("accepted").and_then(Value::as_u64)))
}

fn home(testbed: &Testbed) -> Result<PathBuf, Failure> {
    Ok(std::fs::canonicalize(testbed.cli.home.join("cases"))?)
}
