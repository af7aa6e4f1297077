//! The data set: a month of a fleet, and a larger fleet with only its latest heartbeats.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use tokio::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

use super::config::ReadConfig;
use super::copy::{History, create_partition, load_days};
use super::deployment::{Deployment, sign_in};
use super::progress::Progress;
use crate::database::connect;

/// Devices that have a history.
pub const DEVICES: u64 = 1_000;
/// Days of their history.
pub const DAYS: u64 = 30;
/// Devices of the second owner, who has the large fleet.
pub const FLEET: u64 = 10_000;
const ROLLUP_TIMEOUT: Duration = Duration::from_secs(4 * 3_600);
const ROLLUP_POLL: Duration = Duration::from_millis(500);

/// What is loaded.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Heartbeats that were loaded; those that the comparisons sent are not counted.
    pub heartbeats: u64,
    /// Readings that were loaded.
    pub readings: u64,
    /// The last whole day of the history.
    pub last_day: NaiveDate,
    /// One of the devices.
    pub device: Uuid,
}

/// Loads the data set, unless an earlier run has.
pub async fn ensure(config: &ReadConfig, deployment: &Deployment, screen: &Screen) -> Result<Dataset, Failure> {
    let client = connect(&deployment.database_url).await?;
    // The devices need their owners' accounts.
    for username in ["owner", "fleet"] {
        sign_in(deployment.api_url(), username).await?;
    }
    client.batch_execute(CREATE_RECORD).await?;
    let (heartbeats, readings) = (per_device(config.rows), per_device(config.readings()));
    let known = client.query_opt("SELECT heartbeats, readings, last_day FROM bench_read_data", &[]).await?;
    let last_day = match known {
        None => load(deployment, &client, [heartbeats, readings], screen).await?,
        Some(row) => {
            let there: [i64; 2] = [row.get(0), row.get(1)];
            if there != [i64::try_from(heartbeats)?, i64::try_from(readings)?] {
                let [heartbeats, readings] = there.map(|count| count.saturating_mul(1_000));
                return Err(format!(
                    "the data set that is there has {heartbeats} heartbeats and {readings} readings; --fresh loads another"
                )
                .into());
            }
            row.get(2)
        }
    };
    let owner = "SELECT id FROM devices WHERE owner_id = (SELECT id FROM users WHERE username = 'bench-owner')";
    let device = client.query_one(&format!("{owner} ORDER BY id LIMIT 1 OFFSET 500"), &[]).await?.get(0);
    Ok(Dataset { heartbeats: heartbeats * DEVICES, readings: readings * DEVICES, last_day, device })
}

/// What was loaded, once that is complete: rows of each device.
const CREATE_RECORD: &str = "CREATE TABLE IF NOT EXISTS bench_read_data
    (heartbeats bigint NOT NULL, readings bigint NOT NULL, last_day date NOT NULL)";

/// Rows of each device, the same for all.
fn per_device(rows: u64) -> u64 {
    rows.div_ceil(DEVICES).max(1)
}

async fn load(
    deployment: &Deployment,
    client: &Client,
    [heartbeats, readings]: [u64; 2],
    screen: &Screen,
) -> Result<NaiveDate, Failure> {
    let is_half_loaded: bool = client.query_one("SELECT EXISTS (SELECT FROM devices)", &[]).await?.get(0);
    if is_half_loaded {
        return Err(
            "an earlier run was interrupted while it loaded, or an earlier version did; --fresh begins anew".into()
        );
    }
    let now = Clock::system().now();
    let last_day = now.date_naive().checked_sub_days(Days::new(1)).ok_or("no yesterday")?;
    let first_day = last_day.checked_sub_days(Days::new(DAYS - 1)).ok_or("no first day")?;
    let devices = insert_devices(client, "bench-owner", DEVICES).await?;
    let started = Instant::now();
    let loaded =
        load_days(&deployment.database_url, History { first_day, days: DAYS, devices, heartbeats, readings }, screen)
            .await?;
    insert_fleet(client, now).await?;
    screen.line(&format!("{loaded} rows loaded in {:.0} s; VACUUM ANALYZE", started.elapsed().as_secs_f64()));
    client.batch_execute(FINISH_STATE).await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    let (heartbeats, readings) = (i64::try_from(heartbeats)?, i64::try_from(readings)?);
    client.execute("INSERT INTO bench_read_data VALUES ($1, $2, $3)", &[&heartbeats, &readings, &last_day]).await?;
    Ok(last_day)
}

/// The latest values of the devices with a history: the newest of what was loaded.
const FINISH_STATE: &str = "
    UPDATE device_state AS state SET
        heartbeat_ts = (SELECT max(ts) FROM heartbeats WHERE device_id = state.device_id),
        reading_ts = (SELECT max(ts) FROM readings WHERE device_id = state.device_id),
        last_seen_at = (SELECT max(ts) FROM heartbeats WHERE device_id = state.device_id)
    WHERE heartbeat_ts IS NULL";

const INSERT_DEVICES: &str = "
    WITH made AS (
        INSERT INTO devices (id, owner_id, name, location, ingest_auth, offline_after_s, created_at, updated_at)
        SELECT md5($1::text || n::text)::uuid, users.id, 'Device ' || n, 'Hall ' || n % 20, 'token', 180, now(), now()
        FROM users, generate_series(1, $2::bigint) AS n WHERE users.username = $1::text
        RETURNING id
    )
    INSERT INTO device_state (device_id) SELECT id FROM made ORDER BY id RETURNING device_id";

async fn insert_devices(client: &Client, username: &str, count: u64) -> Result<Vec<Uuid>, Failure> {
    let rows = client.query(INSERT_DEVICES, &[&username, &i64::try_from(count)?]).await?;
    let mut devices: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    devices.sort();
    Ok(devices)
}

/// The large fleet: each device has sent one heartbeat within the last hour.
async fn insert_fleet(client: &Client, now: DateTime<Utc>) -> Result<(), Failure> {
    insert_devices(client, "bench-fleet", FLEET).await?;
    create_partition(client, "heartbeats", now.date_naive()).await?;
    let insert = "
        WITH fleet AS (
            SELECT devices.id, $1::timestamptz - (row_number() OVER (ORDER BY devices.id) % 3600) * interval '1 s' AS ts
            FROM devices JOIN users ON users.id = owner_id WHERE username = 'bench-fleet'
        ), sent AS (
            INSERT INTO heartbeats (device_id, ts, received_at, cpu_usage, ram_usage, disk_free, temperature, latency,
                connectivity)
            SELECT id, ts, ts, 40, 50, 60, 45, 12, true FROM fleet
        )
        UPDATE device_state SET heartbeat_ts = ts, last_seen_at = ts FROM fleet WHERE device_id = id";
    client.execute(insert, &[&now]).await?;
    Ok(())
}

/// Waits until the worker has computed the rollups of what was loaded.
pub async fn wait_until_rolled_up(deployment: &mut Deployment, data: &Dataset, screen: &Screen) -> Result<(), Failure> {
    let client = connect(&deployment.database_url).await?;
    let started = Instant::now();
    let first = data.last_day.checked_sub_days(Days::new(DAYS - 1)).ok_or("no first day")?;
    let first = first.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
    let until = Clock::system().now() - TimeDelta::hours(2);
    let share = |rolled: DateTime<Utc>| ((rolled - first).as_seconds_f64() / (until - first).as_seconds_f64()).max(0.0);
    let mut progress = None;
    loop {
        let rolled: DateTime<Utc> =
            client.query_one("SELECT min(rolled_until) FROM rollup_watermarks", &[]).await?.get(0);
        if rolled >= until {
            break;
        }
        deployment.check()?;
        if started.elapsed() > ROLLUP_TIMEOUT {
            return Err("the rollups were not computed in time".into());
        }
        let state = progress.get_or_insert_with(|| Progress::start(share(rolled))).describe(share(rolled));
        screen.live(&format!("the worker computes rollups: up to {}, {state}", rolled.max(first)));
        tokio::time::sleep(ROLLUP_POLL).await;
    }
    let took = started.elapsed();
    if took > Duration::from_secs(5) {
        screen.line(&format!("rollups computed in {:.0} s; VACUUM ANALYZE", took.as_secs_f64()));
        client.batch_execute("VACUUM ANALYZE").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::per_device;

    #[test]
    fn each_device_has_as_many_rows_and_at_least_one() {
        assert_eq!([1, 30_000, 20_000_000, 20_000_001].map(per_device), [1, 30, 20_000, 20_001]);
    }
}
