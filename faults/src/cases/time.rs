//! Clocks that are wrong: the devices', and the servers' own (by libfaketime, where that is installed).

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::worker::until_stored;
use super::{CALM, Ending, Recovery, through};
use crate::outcome::Outcome;
use crate::programs::Variables;
use crate::site::Site;
use crate::stack::{Plan, Stack};
use crate::{Failure, database};

/// Where Debian's package libfaketime puts it.
const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
/// How long a process may go on believing in the clock it had.
const BELIEF: Duration = Duration::from_millis(1_500);

pub async fn devices(site: &Site) -> Ending {
    let stack = Stack::start(site, "time/devices", Plan::default()).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM).await;
    let (past, future) = (json!({"timestamp": "1970-01-01T00:00:00Z"}), json!({"timestamp": "2099-12-31T23:59:59Z"}));
    let now = json!({"timestamp": Clock::system().now().to_rfc3339()});
    let mut wrong = Vec::new();
    for (body, status, accepted) in [
        (past.clone(), 422, None),
        (future.clone(), 422, None),
        (json!([past, future]), 422, None),
        (json!([past, now, future]), 202, Some(1)),
        // A device that knows no time at all is given ours.
        (json!({"cpu": 1}), 202, Some(1)),
    ] {
        let (answered, taken) = send(&stack, 0, &body).await?;
        if answered != status || taken != accepted {
            wrong.push(format!("{body}: {answered}, {taken:?} accepted"));
        }
    }
    let mut outcome = stack.settle(load).await?;
    outcome.require(wrong.is_empty(), wrong.join("; "));
    outcome.note("1970 and 2099 are 422 (in an array: named, and the others taken)");
    stack.stop(&mut outcome).await;
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
            // Timers go on as they are: only the time of day is wrong.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Ok(Some((clock, variables)))
    }

    fn shift(&self, by: TimeDelta) -> Result<(), Failure> {
        Ok(std::fs::write(&self.file, format!("{:+}\n", by.num_seconds()))?)
    }
}

fn plan(variables: &Variables) -> Plan {
    Plan { api: variables.clone(), worker: variables.clone(), ..Plan::default() }
}

fn no_faketime() -> Outcome {
    Outcome::skipped("libfaketime is not installed (apt-get install libfaketime)")
}

pub async fn server_clock(site: &Site) -> Ending {
    let Some((clock, variables)) = FakeClock::new(&home(site)?, "server")? else { return Ok(no_faketime()) };
    let mut seen = Vec::new();
    let fault = async |stack: &mut Stack<'_>| {
        for (hours, status) in [(1, 202), (-1, 422), (0, 202)] {
            clock.shift(TimeDelta::hours(hours))?;
            tokio::time::sleep(BELIEF + stack.site.lasting(20, 2)).await;
            let (answered, _) =
                send(stack, 0, &json!({"timestamp": Clock::system().now().to_rfc3339(), "cpu": 1})).await?;
            seen.push((hours, answered, status));
        }
        Ok(Instant::now())
    };
    let ended = through(site, "time/server-clock", plan(&variables), Recovery::Accepting, fault).await?;
    let (mut outcome, answers) = ended;
    outcome.require(answers.only(&[202, 422]), "something else than 202 and 422 was answered");
    for (hours, answered, status) in seen {
        let right = answered == status;
        outcome.require(right, format!("with a clock {hours:+} h the answer was {answered} instead of {status}"));
    }
    outcome.note(
        "an hour ahead: taken; an hour behind: 422, since what devices say is in the future then; right again: taken",
    );
    Ok(outcome)
}

pub async fn midnight(site: &Site) -> Ending {
    let Some((clock, variables)) = FakeClock::new(&home(site)?, "midnight")? else { return Ok(no_faketime()) };
    let url = &site.services.database_url;
    let midnight = (Clock::system().now() + TimeDelta::days(1)).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let tomorrow = format!("heartbeats_{}", midnight.format("%Y%m%d"));
    let mut stack = Stack::start(site, "time/midnight", plan(&variables)).await?;
    // Without a partition made ahead: the rows of the new day lie in the default one, and move when there is one.
    database::execute(url, &format!("DROP TABLE IF EXISTS {tomorrow}")).await?;
    let first = across(&stack, &clock, midnight, 0).await?;
    let in_default = rows(&stack, "heartbeats_default", 0).await?;
    stack.end_workers(false).await?;
    stack.run_workers(1).await?;
    let moved = rows(&stack, &tomorrow, 0).await?;
    // With it.
    let second = across(&stack, &clock, midnight, 1).await?;
    let made_ahead = rows(&stack, &tomorrow, 1).await?;
    let mut outcome = Outcome { load: "20/s over midnight".into(), accepted: first + second, ..Outcome::default() };
    outcome.stored = rows(&stack, "heartbeats", 0).await? + rows(&stack, "heartbeats", 1).await?;
    outcome.lost = outcome.accepted.saturating_sub(outcome.stored);
    outcome.doubled = outcome.stored.saturating_sub(outcome.accepted);
    outcome.require(in_default > 0, "no row came after midnight without a partition");
    outcome.require(moved == in_default, format!("{moved} of {in_default} rows moved into the new day's partition"));
    outcome.require(made_ahead > 0, "no row came after midnight with a partition");
    outcome.note(format!("without a partition: {in_default} rows of the new day waited in the default one and moved; with it: {made_ahead}"));
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

/// Sends as one device over midnight, at the servers' time; answers how many were accepted, once they are stored.
async fn across(stack: &Stack<'_>, clock: &FakeClock, midnight: DateTime<Utc>, device: usize) -> Result<u64, Failure> {
    let shift = TimeDelta::seconds((midnight - Clock::system().now()).num_seconds().saturating_sub(5));
    clock.shift(shift)?;
    tokio::time::sleep(BELIEF).await;
    let mut accepted = 0_u64;
    let end = midnight + TimeDelta::seconds(3);
    while Clock::system().now() + shift < end {
        let (status, _) =
            send(stack, device, &json!({"timestamp": (Clock::system().now() + shift).to_rfc3339(), "cpu": 1})).await?;
        accepted = accepted.saturating_add(u64::from(status == 202));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_stored(stack).await?;
    tokio::time::sleep(CALM / 2).await;
    Ok(accepted)
}

/// How many rows of a device are in a table.
async fn rows(stack: &Stack<'_>, table: &str, device: usize) -> Result<u64, Failure> {
    let place = stack.devices.len().saturating_sub(1).saturating_sub(device);
    let device = stack.devices.get(place).ok_or("no device")?.id.as_uuid();
    let sql = format!("SELECT count(*) FROM {table} WHERE device_id = '{device}'");
    Ok(u64::try_from(database::count(&stack.site.services.database_url, &sql).await?)?)
}

/// Sends as one device; the status, and how many were accepted.
async fn send(stack: &Stack<'_>, device: usize, body: &Value) -> Result<(u16, Option<u64>), Failure> {
    // Counted from the last one, which is not in the ledger; the others are, but only while there is one.
    let place = stack.tokens.len().saturating_sub(1).saturating_sub(device);
    let token = stack.tokens.get(place).ok_or("no device")?;
    let request = reqwest::Client::new().post(format!("{}/api/v1/heartbeats", stack.url())).bearer_auth(token);
    let answer = request.json(body).send().await?;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await?;
    Ok((status, body.get("accepted").and_then(Value::as_u64)))
}

fn home(site: &Site) -> Result<PathBuf, Failure> {
    Ok(std::fs::canonicalize(site.cli.home.join("cases"))?)
}
