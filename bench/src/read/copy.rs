//! Loads the history by COPY, day by day, on a few connections.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};
use pulso_simulator::screen::Screen;
use pulso_testkit::Failure;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::progress::{Progress, share};
use crate::database::connect;

/// A COPY keeps its client and its backend busy by turns: two of them fill two cores.
const CONNECTIONS: usize = 2;

/// What to load.
#[derive(Debug)]
pub struct History {
    /// The first day.
    pub first_day: NaiveDate,
    /// The number of days.
    pub days: u64,
    /// The devices.
    pub devices: Vec<Uuid>,
    /// Heartbeats of each device.
    pub heartbeats: u64,
    /// Readings of each device.
    pub readings: u64,
}

/// Loads all of it; the number of rows.
pub async fn load_days(url: &SecretString, history: History, screen: &Screen) -> Result<u64, Failure> {
    let (history, loaded) = (Arc::new(history), Arc::new(AtomicU64::new(0)));
    let total =
        history.heartbeats.saturating_add(history.readings).saturating_mul(u64::try_from(history.devices.len())?);
    let progress = Progress::start(0.0);
    let mut loaders = JoinSet::new();
    for place in 0..CONNECTIONS {
        let client = connect(url).await?;
        let (history, loaded) = (Arc::clone(&history), Arc::clone(&loaded));
        loaders.spawn(async move { load_some_days(&client, &history, place, &loaded).await });
    }
    let mut ticks = tokio::time::interval(screen.interval());
    loop {
        let rows = loaded.load(Ordering::Relaxed);
        tokio::select! {
            loader = loaders.join_next() => match loader {
                None => return Ok(rows),
                Some(loader) => loader??,
            },
            _ = ticks.tick() => {
                let state = progress.describe(share(rows, total));
                screen.live(&format!("loading: {rows} of {total} rows, {:.0} rows/s, {state}", progress.per_s(rows)));
            }
        }
    }
}

/// Every [`CONNECTIONS`]th day.
async fn load_some_days(client: &Client, history: &History, place: usize, loaded: &AtomicU64) -> Result<(), Failure> {
    let days = history.first_day.iter_days().take(usize::try_from(history.days)?);
    for day in days.skip(place).step_by(CONNECTIONS) {
        for (table, count) in [("heartbeats", history.heartbeats), ("readings", history.readings)] {
            let step = TimeDelta::days(i64::try_from(history.days)?) / i32::try_from(count)?;
            let partition = create_partition(client, table, day).await?;
            copy_day(client, table, &partition, &history.devices, &timestamps_of(history.first_day, day, step), loaded)
                .await?;
        }
    }
    Ok(())
}

/// Creates a day's partition, under the name that the worker would give it.
pub async fn create_partition(client: &Client, table: &str, day: NaiveDate) -> Result<String, Failure> {
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

/// The timestamps of each device on that day.
fn timestamps_of(first_day: NaiveDate, day: NaiveDate, step: TimeDelta) -> Vec<DateTime<Utc>> {
    let start = first_day.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc();
    let (mut timestamps, mut number) = (Vec::new(), 0_i32);
    loop {
        let timestamp = start + step * number;
        if timestamp.date_naive() > day {
            return timestamps;
        }
        if timestamp.date_naive() == day {
            timestamps.push(timestamp);
        }
        number = number.saturating_add(1);
    }
}

async fn copy_day(
    client: &Client,
    table: &str,
    partition: &str,
    devices: &[Uuid],
    timestamps: &[DateTime<Utc>],
    loaded: &AtomicU64,
) -> Result<(), Failure> {
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
        for timestamp in timestamps {
            // A daily curve, with a phase of each device's own.
            let hour = f64::from(timestamp.hour()) + f64::from(timestamp.minute()) / 60.0;
            let swing = ((hour / 24.0) * std::f64::consts::TAU + f64::from(place)).sin();
            let value = |base: f64, width: f64| base + width * swing;
            let (a, b, c, d, e) =
                (value(50.0, 30.0), value(60.0, 10.0), value(70.0, -20.0), value(48.0, 6.0), value(20.0, 15.0));
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
                [device, timestamp, timestamp, &a, &b, &c, &d, &e];
            writer.as_mut().write(row.get(..types.len()).ok_or("too many columns")?).await?;
        }
        loaded.fetch_add(u64::try_from(timestamps.len())?, Ordering::Relaxed);
    }
    writer.as_mut().finish().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::timestamps_of;

    #[test]
    fn days_share_the_timestamps_without_gap_or_overlap() {
        let first = "2026-11-01".parse().unwrap();
        let days: Vec<Vec<_>> = ["2026-11-01", "2026-11-02"]
            .map(|day| timestamps_of(first, day.parse().unwrap(), TimeDelta::hours(10)))
            .to_vec();
        assert_eq!(days.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    }
}
