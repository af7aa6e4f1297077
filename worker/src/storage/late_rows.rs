//! Late rows: those of hours that are closed for rollups already. Their buckets are made dirty, in the transaction that
//! stores them. For all other rows this costs one look at the rollup watermark for each batch.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::try_join_all;
use pulso_shared::locks::AdvisoryLock;
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::connect::prepare;
use super::rows::{Keyed, Rows, Stamped};
use crate::error::StoreError;

/// The watermark is read by a statement of its own, after the lock: only then does it see the newest one.
const LOCK: &str = "SELECT pg_advisory_xact_lock_shared($1)";
const STORE_ROWS: i64 = AdvisoryLock::StoreRows.id();
const CLOSED_UNTIL: &str = "SELECT source, closed_until FROM rollup_watermarks";
const INSERT: &str = "INSERT INTO dirty_buckets (source, device_id, hour)
    SELECT $1, unnest($2::uuid[]), unnest($3::timestamptz[])";

/// The statements of one connection.
pub struct LateRowStatements {
    lock: Statement,
    closed_until: Statement,
    insert: Statement,
}

impl LateRowStatements {
    pub async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            lock: prepare(client, LOCK).await?,
            closed_until: prepare(client, CLOSED_UNTIL).await?,
            insert: prepare(client, INSERT).await?,
        })
    }
}

/// The instant of each table before which a row is late.
#[derive(Debug)]
pub struct ClosedUntil(BTreeMap<String, DateTime<Utc>>);

/// Reads the instants, which cannot move until the end of the transaction.
pub async fn closed_until(client: &Client, statements: &LateRowStatements) -> Result<ClosedUntil, StoreError> {
    // Pipelined: the second is sent without waiting for the first.
    let (_, found) = tokio::try_join!(
        biased;
        client.execute(&statements.lock, &[&STORE_ROWS]),
        client.query(&statements.closed_until, &[]),
    )?;
    let instants = found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(ClosedUntil(instants.collect::<Result<_, StoreError>>()?))
}

/// Makes the buckets of late rows dirty.
pub async fn mark_dirty(
    client: &Client,
    statements: &LateRowStatements,
    closed_until: &ClosedUntil,
    rows: &Rows,
) -> Result<(), StoreError> {
    let late = |source: Source| {
        let until = closed_until.0.get(source.table()).copied()?;
        let (devices, hours) = match source {
            Source::Heartbeats => late_hours(&rows.heartbeats, until),
            Source::Readings => late_hours(&rows.readings, until),
        };
        (!hours.is_empty()).then(|| insert(client, statements, source, devices, hours))
    };
    try_join_all(Source::ALL.into_iter().filter_map(late)).await?;
    Ok(())
}

async fn insert(
    client: &Client,
    statements: &LateRowStatements,
    source: Source,
    devices: Vec<Uuid>,
    hours: Vec<DateTime<Utc>>,
) -> Result<(), StoreError> {
    client.execute(&statements.insert, &[&source.table(), &devices, &hours]).await?;
    Ok(())
}

/// The hours before `until` that have rows, each once; `rows` are sorted.
fn late_hours<T: Keyed>(rows: &[Stamped<T>], until: DateTime<Utc>) -> (Vec<Uuid>, Vec<DateTime<Utc>>) {
    let keys = rows.iter().map(|row| row.item.key()).filter(|(_, ts)| *ts < until);
    let mut hours: Vec<_> = keys
        .filter_map(|(device, ts)| Some((device.as_uuid(), ts.duration_trunc(TimeDelta::hours(1)).ok()?)))
        .collect();
    hours.dedup();
    hours.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use pulso_shared::amqp::message::Submission;
    use pulso_shared::ids::DeviceId;
    use serde_json::json;

    use super::{Rows, late_hours};

    #[test]
    fn only_hours_before_the_watermark_become_dirty_and_each_once() {
        let device = DeviceId::generate();
        let heartbeats: Vec<_> = [-7_200, -3_601, -3_600, -1, 0, 5, 3_600]
            .map(|second| json!({"device_id": device, "ts": second * 1_000_000_i64}))
            .into();
        let submission: Submission =
            serde_json::from_value(json!({"request_id": "r", "received_at": 0, "heartbeats": heartbeats})).unwrap();
        let (rows, _) = Rows::gather([submission]);
        let hours = |until: &str| {
            let (devices, hours) = late_hours(&rows.heartbeats, until.parse().unwrap());
            assert_eq!(devices, vec![device.as_uuid(); hours.len()]);
            hours.iter().map(DateTime::<Utc>::timestamp).collect::<Vec<_>>()
        };
        assert_eq!(hours("1970-01-01T01:00:00Z"), [-7_200, -3_600, 0]);
        assert_eq!(hours("1970-01-01T00:00:00Z"), [-7_200, -3_600]);
        assert!(hours("1969-12-31T22:00:00Z").is_empty());
    }
}
