//! The data set: a month of a fleet, loaded by COPY, day after day.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};
use pulso_shared::clock::Clock;
use pulso_simulator::screen::Screen;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::config::ReadConfig;
use super::site::{Site, sign_in};
use crate::Failure;
use crate::database::connect;

/// Devices that have a history.
pub const DEVICES: u64 = 1_000;
/// Days of it.
pub const DAYS: u64 = 30;
/// Devices of the owner with the large fleet.
pub const FLEET: u64 = 10_000;
/// Of so many heartbeats there is one sensor reading.
const HEARTBEATS_A_READING: u64 = 10;
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

/// Makes sure that the data set is there.
pub async fn ensure(config: &ReadConfig, site: &Site, screen: &Screen) -> Result<Dataset, Failure> {
    let client = connect(&site.database_url).await?;
    // The accounts have to be there before the devices are.
    for username in ["owner", "fleet"] {
        sign_in(site.api_url(), username).await?;
    }
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS bench_read (rows bigint NOT NULL, last_day date NOT NULL)")
        .await?;
    let known = client.query_opt("SELECT rows, last_day FROM bench_read", &[]).await?;
    let last_day = match known {
        Some(row) if row.get::<_, i64>(0) == i64::try_from(config.rows)? => row.get(1),
        Some(row) => {
            let rows: i64 = row.get(0);
            return Err(format!("the data set that is there has {rows} heartbeats; --fresh loads another").into());
        }
        None => load(config, &client, screen).await?,
    };
    let owner = "SELECT id FROM devices WHERE owner_id = (SELECT id FROM users WHERE username = 'bench-owner')";
    let device = client.query_one(&format!("{owner} ORDER BY id LIMIT 1 OFFSET 500"), &[]).await?.get(0);
    let heartbeats = per_device(config.rows) * DEVICES;
    Ok(Dataset { heartbeats, readings: heartbeats / HEARTBEATS_A_READING, last_day, device })
}

/// Heartbeats of each device: whole tens, so that each has a tenth of readings.
fn per_device(rows: u64) -> u64 {
    rows.div_ceil(DEVICES * HEARTBEATS_A_READING).max(1) * HEARTBEATS_A_READING
}

async fn load(config: &ReadConfig, client: &Client, screen: &Screen) -> Result<NaiveDate, Failure> {
    let half_loaded: i64 = client.query_one("SELECT count(*) FROM devices", &[]).await?.get(0);
    if half_loaded > 0 {
        return Err("an earlier run was interrupted while it loaded; --fresh begins anew".into());
    }
    let now = Clock.now();
    let last_day = now.date_naive().checked_sub_days(Days::new(1)).ok_or("no yesterday")?;
    let first_day = last_day.checked_sub_days(Days::new(DAYS - 1)).ok_or("no first day")?;
    let devices = insert_devices(client, "bench-owner", DEVICES).await?;
    let step = TimeDelta::days(i64::try_from(DAYS)?) / i32::try_from(per_device(config.rows))?;
    let started = Instant::now();
    let mut loaded = 0_u64;
    for day in first_day.iter_days().take(usize::try_from(DAYS)?) {
        for (table, stride) in [("heartbeats", 1), ("readings", HEARTBEATS_A_READING)] {
            let partition = make_partition(client, table, day).await?;
            let instants = instants_of(first_day, day, step, stride);
            loaded += copy_day(client, table, &partition, &devices, &instants).await?;
        }
        let rate = Duration::from_secs(loaded).as_secs_f64() / started.elapsed().as_secs_f64().max(0.001);
        screen.live(&format!("loading: {loaded} rows up to {day}, {rate:.0} rows/s"));
    }
    insert_fleet(client, now).await?;
    screen.line(&format!("{loaded} rows loaded in {:.0} s; VACUUM ANALYZE", started.elapsed().as_secs_f64()));
    client.batch_execute(FINISH_STATE).await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    client.execute("INSERT INTO bench_read VALUES ($1, $2)", &[&i64::try_from(config.rows)?, &last_day]).await?;
    Ok(last_day)
}

/// What was last known of the devices with a history: the newest of what was loaded.
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
    make_partition(client, "heartbeats", now.date_naive()).await?;
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

/// A day's partition, under the name that the worker would give it.
async fn make_partition(client: &Client, table: &str, day: NaiveDate) -> Result<String, Failure> {
    let name = format!("{table}_{}", day.format("%Y%m%d"));
    let next = day.checked_add_days(Days::new(1)).ok_or("no next day")?;
    client
        .batch_execute(&format!(
            "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table}
             FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00')"
        ))
        .await?;
    Ok(name)
}

/// When each device sends on that day.
fn instants_of(first_day: NaiveDate, day: NaiveDate, step: TimeDelta, stride: u64) -> Vec<DateTime<Utc>> {
    let start = first_day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
    let (mut instants, mut number) = (Vec::new(), 0_i32);
    loop {
        let instant = start + step * number;
        if instant.date_naive() > day {
            return instants;
        }
        if instant.date_naive() == day {
            instants.push(instant);
        }
        number = number.saturating_add(i32::try_from(stride).unwrap_or(i32::MAX));
    }
}

async fn copy_day(
    client: &Client,
    table: &str,
    partition: &str,
    devices: &[Uuid],
    instants: &[DateTime<Utc>],
) -> Result<u64, Failure> {
    let measures = if table == "heartbeats" {
        "cpu_usage, ram_usage, disk_free, temperature, latency"
    } else {
        "temperature, humidity, voltage, current"
    };
    let types: Vec<_> = [Type::UUID, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ]
        .into_iter()
        .chain(measures.split(',').map(|_| Type::FLOAT8))
        .collect();
    let copy = format!("COPY {partition} (device_id, ts, received_at, {measures}) FROM STDIN BINARY");
    let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(&copy).await?, &types));
    for (place, device) in (0_u32..).zip(devices) {
        for instant in instants {
            // A daily swing, a little apart from device to device: nobody looks at it, but it is no constant either.
            let hour = f64::from(instant.hour()) + f64::from(instant.minute()) / 60.0;
            let swing = ((hour / 24.0) * std::f64::consts::TAU + f64::from(place)).sin();
            let value = |base: f64, width: f64| base + width * swing;
            let (a, b, c, d, e) =
                (value(50.0, 30.0), value(60.0, 10.0), value(70.0, -20.0), value(48.0, 6.0), value(20.0, 15.0));
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [device, instant, instant, &a, &b, &c, &d, &e];
            writer.as_mut().write(row.get(..types.len()).ok_or("too many columns")?).await?;
        }
    }
    Ok(writer.as_mut().finish().await?)
}

/// Waits until the worker has made rollups of what was loaded, where this version of Pulso makes any.
pub async fn wait_until_rolled_up(site: &mut Site, screen: &Screen) -> Result<(), Failure> {
    let client = connect(&site.database_url).await?;
    if !client.query_one("SELECT to_regclass('rollup_frontiers') IS NOT NULL", &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    let started = Instant::now();
    let until = Clock.now() - TimeDelta::hours(2);
    loop {
        let rolled: DateTime<Utc> =
            client.query_one("SELECT min(rolled_until) FROM rollup_frontiers", &[]).await?.get(0);
        if rolled >= until {
            break;
        }
        site.check()?;
        if started.elapsed() > ROLLUP_TIMEOUT {
            return Err("the rollups were not made in time".into());
        }
        screen.live(&format!("the worker makes rollups: up to {rolled}"));
        tokio::time::sleep(ROLLUP_POLL).await;
    }
    let took = started.elapsed();
    if took > Duration::from_secs(5) {
        screen.line(&format!("rollups made in {:.0} s; VACUUM ANALYZE", took.as_secs_f64()));
        client.batch_execute("VACUUM ANALYZE").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{instants_of, per_device};

    #[test]
    fn rows_are_shared_out_in_whole_tens() {
        assert_eq!([1, 30_000, 20_000_000, 20_000_001].map(per_device), [10, 30, 20_000, 20_010]);
    }

    #[test]
    fn days_share_the_instants_without_gap_or_overlap() {
        let first = "2026-11-01".parse().unwrap();
        let days: Vec<Vec<_>> = ["2026-11-01", "2026-11-02"]
            .map(|day| instants_of(first, day.parse().unwrap(), TimeDelta::hours(10), 1))
            .to_vec();
        assert_eq!(days.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(instants_of(first, first, TimeDelta::hours(10), 10).len(), 1);
    }
}
