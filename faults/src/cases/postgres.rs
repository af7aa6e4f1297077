//! PostgreSQL goes away, holds a lock, has no space left, refuses a row.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;

use super::worker::until_stored;
use super::{CALM, Ending, Recovery, through};
use crate::load::LoadSpec;
use crate::services::Server;
use crate::site::Site;
use crate::stack::{Plan, Stack};
use crate::{Failure, database};

/// Devices have their tokens: what the database does is nothing to them.
const ONLY_ACCEPTED: &[u16] = &[202];

async fn outage(site: &Site, case: &str, kill: bool, lasting: Duration) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        let services = &stack.site.services;
        if kill {
            services.kill(Server::Postgres).await?
        } else {
            services.stop(Server::Postgres).await?
        }
        tokio::time::sleep(lasting).await;
        services.up().await?;
        Ok(Instant::now())
    };
    let (mut outcome, answers) = through(site, case, Plan::default(), Recovery::Storing, fault).await?;
    outcome.require(answers.only(ONLY_ACCEPTED), "a device with a token was refused because of the database");
    Ok(outcome)
}

pub async fn restart(site: &Site) -> Ending {
    outage(site, "postgres/restart", false, Duration::ZERO).await
}

pub async fn kill(site: &Site) -> Ending {
    outage(site, "postgres/kill", true, Duration::ZERO).await
}

pub async fn down(site: &Site) -> Ending {
    outage(site, "postgres/down", false, site.lasting(120, 5)).await
}

pub async fn long_lock(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        // Longer than the worker's own limit of 60 s for a statement, unless in a hurry.
        let held_s = stack.site.lasting(90, 6).as_secs();
        let sql = format!("BEGIN; LOCK TABLE heartbeats IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({held_s}); COMMIT");
        database::execute(&stack.site.services.database_url, &sql).await?;
        Ok(Instant::now())
    };
    let (mut outcome, answers) = through(site, "postgres/lock", Plan::default(), Recovery::Storing, fault).await?;
    outcome.require(answers.only(ONLY_ACCEPTED), "a device with a token was refused because of the lock");
    Ok(outcome)
}

pub async fn bad_row(site: &Site) -> Ending {
    let stack = Stack::start(site, "postgres/bad-row", Plan::default()).await?;
    let url = &site.services.database_url;
    database::execute(url, "ALTER TABLE heartbeats ADD CONSTRAINT no_101 CHECK (latency <> 424242) NOT VALID").await?;
    let spec = LoadSpec { array: Some(20), ..LoadSpec::new(&stack.url(), site.cli.rate) };
    let load = stack.load_of(spec)?;
    let bad = 10;
    let token = stack.tokens.last().ok_or("no device")?;
    let client = reqwest::Client::new();
    for n in 0..bad {
        tokio::time::sleep(site.lasting(2_000, 400) / 1_000).await;
        // A good neighbour on each side, in the same request.
        let body: Vec<_> =
            [1, 424_242, 2].iter().enumerate().map(|(place, latency)| reading(n, place, *latency)).collect();
        let address = format!("{}/api/v1/heartbeats", stack.url());
        client.post(&address).bearer_auth(token).json(&body).send().await?.error_for_status()?;
    }
    tokio::time::sleep(CALM).await;
    until_stored(&stack).await?;
    let mut outcome = stack.settle_with_dead(load, bad).await?;
    let listing = stack.queues.dead_letters().await?;
    let named = listing.letters.iter().all(|letter| letter.reason == "refused" && letter.detail.contains("no_101"));
    outcome.require(named, "a dead letter does not say which rule its row broke");
    let probe = stack.devices.last().map(|device| device.id.as_uuid()).unwrap_or_default();
    let neighbours = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{probe}'");
    let stored = database::count(url, &neighbours).await?;
    outcome.require(stored == 2 * i64::from(bad), format!("{stored} neighbours stored instead of {}", 2 * bad));
    outcome.note(format!("{bad} bad rows among the load: {} dead letters, each with its reason", listing.total));
    database::execute(url, "ALTER TABLE heartbeats DROP CONSTRAINT no_101").await?;
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

fn reading(n: u32, place: usize, latency: i32) -> serde_json::Value {
    let second = usize::try_from(n).unwrap_or(0) * 3 + place;
    serde_json::json!({"timestamp": format!("2026-01-01T00:00:{second:02}Z"), "latency": latency})
}

/// Size of the disk that fills up.
const DISK: &str = "size=24m";

pub async fn disk_full(site: &Site) -> Ending {
    let disk = std::env::temp_dir().join(format!("pulso-faults-disk-{}", std::process::id()));
    if let Err(why) = mount(&disk).await {
        return Ok(crate::outcome::Outcome::skipped(format!("a small disk cannot be mounted here ({why})")));
    }
    let ending = on_full_disk(site, &disk).await;
    // Nothing may be left on it before it goes.
    site.services.up().await?;
    let back = format!("ALTER TABLE {} SET TABLESPACE pg_default; DROP TABLE IF EXISTS ballast", today());
    let emptied = database::execute(&site.services.database_url, &back).await;
    database::execute(&site.services.database_url, "DROP TABLESPACE IF EXISTS small").await?;
    unmount(&disk).await?;
    emptied?;
    ending
}

async fn on_full_disk(site: &Site, disk: &Path) -> Ending {
    // What earlier cases have stored is compared already, and would not fit.
    database::execute(&site.services.database_url, "TRUNCATE heartbeats").await?;
    // A tablespace is the superuser's to make, who can log in only while the server is down.
    site.services.stop(Server::Postgres).await?;
    let space = disk.join("space");
    let make = format!("CREATE TABLESPACE small OWNER pulso LOCATION '{}'", space.display());
    let made = site.services.superuser_sql(&make).await;
    site.services.up().await?;
    made?;
    let fault = async |stack: &mut Stack<'_>| {
        let url = &stack.site.services.database_url;
        database::execute(url, &format!("ALTER TABLE {} SET TABLESPACE small", today())).await?;
        database::execute(url, "CREATE TABLE ballast (filler text) TABLESPACE small").await?;
        let fill = "INSERT INTO ballast SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n";
        // Until nothing more goes in.
        while database::execute(url, fill).await.is_ok() {}
        tokio::time::sleep(stack.site.lasting(60, 8)).await;
        database::execute(url, "DROP TABLE ballast").await?;
        Ok(Instant::now())
    };
    let (mut outcome, answers) = through(site, "postgres/disk-full", Plan::default(), Recovery::Storing, fault).await?;
    outcome.require(answers.only(ONLY_ACCEPTED), "a device with a token was refused because of the database's disk");
    let logs = std::fs::read_to_string(site.cli.home.join("cases/postgres-disk-full/worker-0.log"))?;
    outcome.require(logs.contains("53100"), "the worker never met a full disk: the case has shown nothing");
    Ok(outcome)
}

/// Today's partition of the heartbeats.
fn today() -> String {
    format!("heartbeats_{}", pulso_shared::clock::Clock::system().now().format("%Y%m%d"))
}

async fn mount(disk: &PathBuf) -> Result<(), Failure> {
    std::fs::create_dir_all(disk)?;
    succeed(Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "pulso-faults"]).arg(disk)).await?;
    // PostgreSQL's own user has to live there.
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
