//! Marks for rows that come after their hour has been rolled up, in the transaction that stores them.
//!
//! A row of an hour that is still open costs nothing but the question where the frontier is, once a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures_util::future::try_join_all;
use pulso_shared::rollup::Source;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::connection::prepare;
use super::rows::{Keyed, Rows, Stamped};
use crate::error::StoreError;

/// Shared by storage transactions from here to their commit; taken alone to move the frontier ("pulsq" in ASCII).
pub const STORING_LOCK: i64 = 482_872_390_513;

/// The frontier is read by a statement of its own, after the lock: only then does it see the newest one.
const LOCK: &str = "SELECT pg_advisory_xact_lock_shared($1)";
const FRONTIERS: &str = "SELECT source, marking_until FROM rollup_frontiers";
const INSERT: &str = "INSERT INTO rollup_marks (source, device_id, hour)
    SELECT $1, unnest($2::uuid[]), unnest($3::timestamptz[])";

/// The statements of one connection.
pub struct MarkStatements {
    lock: Statement,
    frontiers: Statement,
    insert: Statement,
}

impl MarkStatements {
    /// Prepares them.
    ///
    /// # Errors
    /// When the database is away, or its schema is not there yet.
    pub async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            lock: prepare(client, LOCK).await?,
            frontiers: prepare(client, FRONTIERS).await?,
            insert: prepare(client, INSERT).await?,
        })
    }
}

/// The instant of each table before which a row that comes now is late.
#[derive(Debug)]
pub struct Frontiers(BTreeMap<String, DateTime<Utc>>);

/// Reads the frontiers, which then stay where they are until the end of the transaction.
///
/// # Errors
/// The database's.
pub async fn frontiers(client: &Client, statements: &MarkStatements) -> Result<Frontiers, StoreError> {
    // Sent one behind the other, without waiting for the first one's answer.
    let (_, found) = tokio::try_join!(
        biased;
        client.execute(&statements.lock, &[&STORING_LOCK]),
        client.query(&statements.frontiers, &[]),
    )?;
    let frontiers = found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Frontiers(frontiers.collect::<Result<_, StoreError>>()?))
}

/// Marks the hours before the frontier that `rows` have touched.
///
/// # Errors
/// The database's.
pub async fn mark(
    client: &Client,
    statements: &MarkStatements,
    frontiers: &Frontiers,
    rows: &Rows,
) -> Result<(), StoreError> {
    let late = |source: Source| {
        let until = frontiers.0.get(source.table()).copied()?;
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
    statements: &MarkStatements,
    source: Source,
    devices: Vec<Uuid>,
    hours: Vec<DateTime<Utc>>,
) -> Result<(), StoreError> {
    client.execute(&statements.insert, &[&source.table(), &devices, &hours]).await?;
    Ok(())
}

/// The hours before `until` in which `rows`, which are sorted, lie: each once.
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
    fn only_hours_before_the_frontier_are_marked_and_each_once() {
        let device = DeviceId::generate();
        let heartbeats: Vec<_> = [-7_200, -3_601, -3_600, -1, 0, 5, 3_600]
            .map(|second| json!({"device_id": device, "ts": second * 1_000_000_i64}))
            .into();
        let submission: Submission =
            serde_json::from_value(json!({"request_id": "r", "received_at": 0, "heartbeats": heartbeats})).unwrap();
        let rows = Rows::gather([submission]);
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
