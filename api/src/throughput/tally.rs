//! What this process has accepted, written down every few seconds.

use crate::db::DbPool;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use pulso_shared::throughput::{FLUSH_EVERY, ThroughputCounter, slot_of};
use ulid::Ulid;
use uuid::Uuid;

use super::store;
use crate::http::error::ApiError;

/// The counts of one process.
#[derive(Debug)]
pub struct Throughput {
    tally: ThroughputCounter,
    source: Uuid,
}

impl Default for Throughput {
    fn default() -> Self {
        Self { tally: ThroughputCounter::default(), source: Uuid::from_u128(Ulid::generate().0) }
    }
}

impl Throughput {
    /// Counts what the broker has confirmed, by sender.
    pub fn add_accepted(&self, senders: impl IntoIterator<Item = DeviceId>) {
        self.tally.add(senders);
    }

    /// Writes the counts down, for ever.
    pub async fn keep_written(&self, db: &DbPool, clock: Clock) {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            if let Err(error) = self.write(db, clock.now()).await {
                tracing::debug!(%error, "counts not written; some are missing from the rates");
            }
        }
    }

    async fn write(&self, db: &DbPool, now: DateTime<Utc>) -> Result<(), ApiError> {
        let (devices, accepted) = self.tally.take();
        if devices.is_empty() {
            return Ok(());
        }
        let mut connection = db.get().await?;
        let written: QueryResult<()> =
            store::add_accepted(&mut connection, &devices, &accepted, slot_of(now), self.source).await;
        Ok(written?)
    }
}
