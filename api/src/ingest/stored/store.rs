//! Which of the rows that are waited for are committed.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use super::keys::{Key, Keys};

/// Rows asked for in one statement.
const CHUNK: usize = 10_000;
/// Live readings are asked for apart from old ones: a statement opens every partition between its oldest and its newest
/// row, so that one old reading would make the query slow for all.
const LIVE: TimeDelta = TimeDelta::days(1);

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Uuid)]
    device_id: DeviceId,
    #[diesel(sql_type = Timestamptz)]
    ts: DateTime<Utc>,
}

/// Those of `keys` whose rows are committed.
pub async fn find_stored(connection: &mut AsyncPgConnection, keys: &Keys) -> QueryResult<Keys> {
    Ok(Keys {
        heartbeats: find(connection, include_str!("stored_heartbeats.sql"), &keys.heartbeats).await?,
        readings: find(connection, include_str!("stored_readings.sql"), &keys.readings).await?,
    })
}

async fn find(connection: &mut AsyncPgConnection, sql: &str, keys: &HashSet<Key>) -> QueryResult<HashSet<Key>> {
    let mut keys: Vec<_> = keys.iter().copied().collect();
    keys.sort_by_key(|(_, ts)| *ts);
    let live_from = keys.last().map(|(_, newest)| *newest - LIVE);
    let first_live = keys.partition_point(|(_, ts)| live_from.is_some_and(|from| *ts < from));
    let live = keys.split_off(first_live);
    let mut found = HashSet::new();
    for chunk in live.chunks(CHUNK).chain(keys.chunks(CHUNK)) {
        let Some(((_, oldest), (_, newest))) = chunk.first().zip(chunk.last()) else { continue };
        let rows: Vec<Found> = sql_query(sql)
            .bind::<Array<Uuid>, _>(chunk.iter().map(|(device, _)| *device).collect::<Vec<_>>())
            .bind::<Array<Timestamptz>, _>(chunk.iter().map(|(_, ts)| *ts).collect::<Vec<_>>())
            .bind::<Timestamptz, _>(*oldest)
            .bind::<Timestamptz, _>(*newest)
            .load(connection)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.device_id, row.ts)));
    }
    Ok(found)
}
