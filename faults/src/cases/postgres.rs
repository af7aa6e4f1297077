//! PostgreSQL is down, holds a lock, has no space left, refuses a row.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pulso_simulator::load::HEARTBEATS;
use pulso_testkit::Failure;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, STEADY, run_under_load};
use crate::database;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::load::LoadSpec;
use crate::outcome::Outcome;
use crate::private_servers::Server;
use crate::testbed::Testbed;

/// Devices with a token do not depend on the database.
const ONLY_ACCEPTED: &[u16] = &[202];

async fn outage(testbed: &Testbed, case: &str, kill: bool, lasting: Duration) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        let servers = &deployment.testbed.servers;
        if kill {
            servers.kill(Server::Postgres).await?
        } else {
            servers.stop(Server::Postgres).await?
        }
        tokio::time::sleep(lasting).await;
        servers.up().await?;
        Ok(Instant::now())
    };
    let (mut outcome, responses) =
        run_under_load(testbed, case, DeploymentPlan::default(), Recovery::Storing, fault).await?;
    outcome.require(responses.are_only(ONLY_ACCEPTED), "a device with a token was refused because of the database");
    Ok(outcome)
}

pub async fn restart(testbed: &Testbed) -> CaseResult {
    outage(testbed, "postgres/restart", false, Duration::ZERO).await
}

pub async fn kill(testbed: &Testbed) -> CaseResult {
    outage(testbed, "postgres/kill", true, Duration::ZERO).await
}

pub async fn down(testbed: &Testbed) -> CaseResult {
    outage(testbed, "postgres/down", false, testbed.lasting(120, 5)).await
}

pub async fn long_lock(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        // Longer than the worker's statement timeout of 60 s, except with --quick.
        let held_s = deployment.testbed.lasting(90, 6).as_secs();
        let sql = format!("BEGIN; LOCK TABLE heartbeats IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({held_s}); COMMIT");
        database::execute(&deployment.testbed.servers.database_url, &sql).await?;
        Ok(Instant::now())
    };
    let (mut outcome, responses) =
        run_under_load(testbed, "postgres/lock", DeploymentPlan::default(), Recovery::Storing, fault).await?;
    outcome.require(responses.are_only(ONLY_ACCEPTED), "a device with a token was refused because of the lock");
    Ok(outcome)
}

pub async fn bad_row(testbed: &Testbed) -> CaseResult {
    let deployment = Deployment::start(testbed, "postgres/bad-row", DeploymentPlan::default()).await?;
    let url = &testbed.servers.database_url;
    database::execute(url, "ALTER TABLE heartbeats ADD CONSTRAINT no_101 CHECK (latency <> 424242) NOT VALID").await?;
    let spec = LoadSpec { array: Some(20), ..LoadSpec::new(&deployment.url(), testbed.cli.rate) };
    let load = deployment.load_of(spec)?;
    let bad = 10;
    let client = deployment.device_client(0)?;
    for n in 0..bad {
        tokio::time::sleep(testbed.lasting(2_000, 400) / 1_000).await;
        // A good row before and after it, in the same request.
        let body: Vec<Value> =
            [1, 424_242, 2].iter().enumerate().map(|(place, latency)| reading(n, place, *latency)).collect();
        client.try_post(HEARTBEATS, &body.into()).await?.success()?;
    }
    tokio::time::sleep(STEADY).await;
    deployment.until_stored().await?;
    let mut outcome = deployment.settle_with_dead(load, bad).await?;
    let listing = deployment.queues.dead_letters().await?;
    let named = listing.letters.iter().all(|letter| letter.reason == "refused" && letter.detail.contains("no_101"));
    outcome.require(named, "a dead letter does not say which rule its row broke");
    let probe = deployment.devices.last().map(|device| device.id.as_uuid()).unwrap_or_default();
    let neighbours = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{probe}'");
    let stored = database::count(url, &neighbours).await?;
    outcome.require(stored == 2 * i64::from(bad), format!("{stored} neighbours stored instead of {}", 2 * bad));
    outcome.note(format!("{bad} bad rows among the load: {} dead letters, each with its reason", listing.total));
    database::execute(url, "ALTER TABLE heartbeats DROP CONSTRAINT no_101").await?;
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

fn reading(n: u32, place: usize, latency: i32) -> Value {
    let second = usize::try_from(n).unwrap_or(0) * 3 + place;
    serde_json::json!({"timestamp": format!("2026-01-01T00:00:{second:02}Z"), "latency": latency})
}

/// Size of the disk that fills up.
const DISK: &str = "size=24m";

pub async fn disk_full(testbed: &Testbed) -> CaseResult {
    let disk = std::env::temp_dir().join(format!("pulso-faults-disk-{}", std::process::id()));
    if let Err(why) = mount(&disk).await {
        return Ok(Outcome::skipped(format!("a small disk cannot be mounted here ({why})")));
    }
    let ending = on_full_disk(testbed, &disk).await;
    // It must be empty before it is unmounted.
    testbed.servers.up().await?;
    let back = format!("ALTER TABLE {} SET TABLESPACE pg_default; DROP TABLE IF EXISTS ballast", today());
    let emptied = database::execute(&testbed.servers.database_url, &back).await;
    database::execute(&testbed.servers.database_url, "DROP TABLESPACE IF EXISTS small").await?;
    unmount(&disk).await?;
    emptied?;
    ending
}

async fn on_full_disk(testbed: &Testbed, disk: &Path) -> CaseResult {
    // The rows of earlier cases have been compared already, and would not fit.
    database::execute(&testbed.servers.database_url, "TRUNCATE heartbeats").await?;
    // Only the superuser can create a tablespace, and can run SQL only while the server is down.
    testbed.servers.stop(Server::Postgres).await?;
    let space = disk.join("space");
    let make = format!("CREATE TABLESPACE small OWNER pulso LOCATION '{}'", space.display());
    let made = testbed.servers.superuser_sql(&make).await;
    testbed.servers.up().await?;
    made?;
    let fault = async |deployment: &mut Deployment<'_>| {
        let url = &deployment.testbed.servers.database_url;
        database::execute(url, &format!("ALTER TABLE {} SET TABLESPACE small", today())).await?;
        database::execute(url, "CREATE TABLE ballast (filler text) TABLESPACE small").await?;
        let fill = "INSERT INTO ballast SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n";
        // Until it is full.
        while database::execute(url, fill).await.is_ok() {}
        tokio::time::sleep(deployment.testbed.lasting(60, 8)).await;
        database::execute(url, "DROP TABLE ballast").await?;
        Ok(Instant::now())
    };
    let (mut outcome, responses) =
        run_under_load(testbed, "postgres/disk-full", DeploymentPlan::default(), Recovery::Storing, fault).await?;
    outcome
        .require(responses.are_only(ONLY_ACCEPTED), "a device with a token was refused because of the database's disk");
    let logs = std::fs::read_to_string(testbed.cli.home.join("cases/postgres-disk-full/worker-0.log"))?;
    outcome.require(logs.contains("53100"), "the worker never saw a full disk: the case has shown nothing");
    Ok(outcome)
}

/// Today's partition of the heartbeats.
fn today() -> String {
    format!("heartbeats_{}", pulso_shared::clock::Clock::system().now().format("%Y%m%d"))
}

async fn mount(disk: &PathBuf) -> Result<(), Failure> {
    std::fs::create_dir_all(disk)?;
    succeed(Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "pulso-faults"]).arg(disk)).await?;
    // The folder belongs to PostgreSQL's own user.
    let made =
        succeed(Command::new("install").args(["-d", "-m", "700", "-o", "postgres"]).arg(disk.join("space"))).await;
    if made.is_err() {
        unmount(disk).await?;
    }
    made
}

async fn unmount(disk: &PathBuf) -> Result<(), Failure> {
    succeed(Command::new("umount").arg(disk)).await?;
    Ok(std::fs::remove_dir(disk)?)
}

async fn succeed(command: &mut Command) -> Result<(), Failure> {
    let done = command.output().await?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned().into()) }
}
