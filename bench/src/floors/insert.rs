//! The worker's INSERT on its own, into a copy of its table.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_testkit::Failure;
use secrecy::SecretString;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::database::connect;

/// Rows in a batch: about the worker's batch size under load.
pub const PER_BATCH: u32 = 1_500;
/// Devices whose rows they are.
const DEVICES: usize = 1_000;

const INSERT: &str = include_str!("../../../worker/src/storage/insert_heartbeats.sql");

/// A connection and a table of its own.
pub struct InsertFloor {
    client: Client,
    insert: Statement,
    devices: Vec<Uuid>,
    /// Batches so far; makes each device's timestamps grow.
    rounds: u32,
}

/// A batch: one array a column, sorted by the key.
#[derive(Default)]
struct Columns {
    device_id: Vec<Uuid>,
    ts: Vec<DateTime<Utc>>,
    received_at: Vec<DateTime<Utc>>,
    numbers: [Vec<f64>; 5],
    connectivity: Vec<bool>,
    boot_time: Vec<DateTime<Utc>>,
}

impl InsertFloor {
    /// Creates the table.
    pub async fn open(database_url: &SecretString) -> Result<Self, Failure> {
        let client = connect(database_url).await?;
        client.batch_execute("CREATE TABLE insert_floor (LIKE heartbeats INCLUDING ALL)").await?;
        let insert = client.prepare(&INSERT.replace("INTO heartbeats", "INTO insert_floor")).await?;
        let mut devices: Vec<_> = (0..DEVICES).map(|_| DeviceId::generate().as_uuid()).collect();
        devices.sort_unstable();
        Ok(Self { client, insert, devices, rounds: 0 })
    }

    /// Inserts batches for `duration`; how many.
    pub async fn insert(&mut self, duration: Duration) -> Result<u64, Failure> {
        let end = Instant::now() + duration;
        let mut batches = 0_u64;
        while Instant::now() < end {
            let columns = self.next_batch();
            let [cpu, ram, disk, temperature, latency] = &columns.numbers;
            let Columns { device_id, ts, received_at, connectivity, boot_time, .. } = &columns;
            self.client
                .execute(
                    &self.insert,
                    &[device_id, ts, received_at, cpu, ram, disk, temperature, latency, connectivity, boot_time],
                )
                .await?;
            batches = batches.saturating_add(1);
        }
        Ok(batches)
    }

    /// Removes the table.
    pub async fn remove(self) -> Result<(), Failure> {
        Ok(self.client.batch_execute("DROP TABLE insert_floor").await?)
    }

    /// One or two rows a device, each later than the last.
    fn next_batch(&mut self) -> Columns {
        let now = Clock::system().now();
        let mut columns = Columns::default();
        let rows = usize::try_from(PER_BATCH).unwrap_or(0);
        for (place, device) in self.devices.iter().enumerate() {
            let second_one = place < rows.saturating_sub(self.devices.len());
            for row in 0..=u32::from(second_one) {
                let ts = now + TimeDelta::microseconds(i64::from(self.rounds.saturating_mul(2).saturating_add(row)));
                columns.push(*device, ts, f64::from(self.rounds % 97) + 0.25);
            }
        }
        self.rounds = self.rounds.saturating_add(1);
        columns
    }
}

impl Columns {
    fn push(&mut self, device: Uuid, ts: DateTime<Utc>, number: f64) {
        self.device_id.push(device);
        self.ts.push(ts);
        self.received_at.push(ts);
        self.numbers.iter_mut().for_each(|column| column.push(number));
        self.connectivity.push(true);
        self.boot_time.push(ts);
    }
}
