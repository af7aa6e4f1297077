//! Which of the rows that are waited for are committed, and what they hold.

mod rows;

use std::collections::HashSet;

use chrono::TimeDelta;
use diesel::deserialize::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Array, Timestamptz, Uuid};
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::telemetry::{Heartbeat, Reading};

use self::rows::{HeartbeatRow, ReadingRow};
use super::waiting::{Key, Keys, StoredRows};

/// Rows asked for in one statement.
const CHUNK: usize = 10_000;
/// Live readings are asked for apart from old ones: a statement opens every partition between its oldest and its newest
/// row, so that one old reading would make the query slow for all.
const LIVE: TimeDelta = TimeDelta::days(1);

/// Those rows of `keys` that are committed.
pub async fn find_stored(connection: &mut AsyncPgConnection, keys: &Keys) -> QueryResult<StoredRows> {
    let heartbeats = find::<HeartbeatRow>(connection, include_str!("stored_heartbeats.sql"), &keys.heartbeats).await?;
    let readings = find::<ReadingRow>(connection, include_str!("stored_readings.sql"), &keys.readings).await?;
    let heartbeats = heartbeats.into_iter().map(Heartbeat::from).map(|row| ((row.device_id, row.ts), row)).collect();
    let readings = readings.into_iter().map(Reading::from).map(|row| ((row.device_id, row.ts), row)).collect();
    Ok(StoredRows { heartbeats, readings })
}

async fn find<R: QueryableByName<Pg> + Send + 'static>(
    connection: &mut AsyncPgConnection,
    sql: &str,
    keys: &HashSet<Key>,
) -> QueryResult<Vec<R>> {
    let mut keys: Vec<_> = keys.iter().copied().collect();
    keys.sort_by_key(|(_, ts)| *ts);
    let live_from = keys.last().map(|(_, newest)| *newest - LIVE);
    let first_live = keys.partition_point(|(_, ts)| live_from.is_some_and(|from| *ts < from));
    let live = keys.split_off(first_live);
    let mut found = Vec::new();
    for chunk in live.chunks(CHUNK).chain(keys.chunks(CHUNK)) {
        let Some(((_, oldest), (_, newest))) = chunk.first().zip(chunk.last()) else { continue };
        let mut rows: Vec<R> = sql_query(sql)
            .bind::<Array<Uuid>, _>(chunk.iter().map(|(device, _)| *device).collect::<Vec<_>>())
            .bind::<Array<Timestamptz>, _>(chunk.iter().map(|(_, ts)| *ts).collect::<Vec<_>>())
            .bind::<Timestamptz, _>(*oldest)
            .bind::<Timestamptz, _>(*newest)
            .load(connection)
            .await?;
        found.append(&mut rows);
    }
    Ok(found)
}
