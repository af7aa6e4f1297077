//! Partitions are there before their rows, and are created without holding up readers or writers.

use pulso_testkit::{Options, Pulso, eventually};
use serde_json::json;

const IN_DEFAULT: &str = "SELECT (SELECT count(*) FROM heartbeats_default) + (SELECT count(*) FROM readings_default)";
/// Partitions of the heartbeats that follow `today` by so many days.
const DAYS_AHEAD: &str = "SELECT count(*) FROM generate_series(0, 3) AS n WHERE to_regclass('heartbeats_' ||
    to_char((now() AT TIME ZONE 'UTC')::date + n::integer, 'YYYYMMDD')) IS NOT NULL";

async fn without_worker() -> Pulso {
    Pulso::start_with(Options { without_worker: true, ..Options::default() }).await
}

/// SQL that stores a heartbeat a second from then on; 30,000 make a default partition large.
fn heartbeats_from(start: &str, count: u32) -> String {
    format!(
        "INSERT INTO heartbeats (device_id, ts, received_at)
         SELECT id, {start} + n * interval '1 second', now() FROM devices, generate_series(1, {count}) AS n"
    )
}

#[tokio::test]
async fn a_backlog_of_ten_years_leaves_the_default_partition_empty() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let now = this_year(&pulso).await;
    let ages: Vec<_> = (1..10)
        .map(|years| json!({"timestamp": format!("{}-01-31T23:59:59Z", now - years), "temperature": 20}))
        .collect();
    let _ = device.client.post("/readings", &json!(ages)).await.expect(202);
    let _ = device
        .client
        .post("/heartbeats?ack=stored", &json!({"timestamp": "2024-02-19T12:34:56Z", "cpu": 1}))
        .await
        .expect(200);
    pulso.stored(10).await;
    assert_eq!(pulso.database.count(IN_DEFAULT).await, 0);
    let month = "SELECT count(*) FROM heartbeats_20240201_20240301";
    assert_eq!(pulso.database.count(month).await, 1);
    pulso.finish().await;
}

async fn this_year(pulso: &Pulso) -> i64 {
    pulso.database.count("SELECT extract(year FROM now() AT TIME ZONE 'UTC')::bigint").await
}

#[tokio::test]
async fn a_large_default_partition_becomes_an_ordinary_one_while_somebody_reads_it() {
    let mut pulso = without_worker().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute(&heartbeats_from("'2020-01-01Z'::timestamptz", 30_000)).await;
    pulso.database.execute("BEGIN; LOCK TABLE heartbeats_default IN ACCESS SHARE MODE").await;
    pulso.restart_worker().await;
    let path = format!("/devices/{}/heartbeats", device.id);
    for second in 0..20 {
        let late = json!({"timestamp": format!("2019-01-01T00:00:{second:02}Z"), "cpu": 1});
        let _ = device.client.post("/heartbeats?ack=stored&timeout_ms=10000", &late).await.expect(200);
        let read = device.client.get(&format!("{path}?end=2020-01-01T00:00:01Z&limit=1")).await;
        assert_eq!(read.expect(200).body[0]["timestamp"], "2020-01-01T00:00:01Z");
    }
    pulso.database.execute("COMMIT").await;
    let default = "SELECT count(*) FROM heartbeats_default";
    eventually("the default partition is empty", async || (pulso.database.count(default).await == 0).then_some(()))
        .await;
    eventually("the days ahead are there", async || (pulso.database.count(DAYS_AHEAD).await >= 2).then_some(())).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM heartbeats").await, 30_020);
    let day = device
        .client
        .get(&format!(
            "{path}?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z&aggregation=day&stat=count&metrics=cpu_usage"
        ))
        .await;
    let _ = day.expect(200);
    let _ = device.client.post("/heartbeats?ack=stored", &json!({"cpu": 1})).await.expect(200);
    pulso.stored(30_021).await;
    pulso.finish().await;
}

#[tokio::test]
async fn days_ahead_are_created_beside_a_large_default_partition_that_has_to_stay() {
    let mut pulso = without_worker().await;
    let _ = pulso.client.new_user().await.new_device().await;
    // Rows on both sides of a partition: the default one cannot become one for days in a row.
    pulso
        .database
        .execute(
            "CREATE TABLE heartbeats_20210101 PARTITION OF heartbeats FOR VALUES FROM ('2021-01-01Z') TO ('2021-01-02Z')",
        )
        .await;
    pulso.database.execute(&heartbeats_from("'2020-01-01Z'::timestamptz", 30_000)).await;
    pulso.database.execute(&heartbeats_from("'2022-01-01Z'::timestamptz", 30_000)).await;
    pulso.restart_worker().await;
    eventually("days ahead are there", async || (pulso.database.count(DAYS_AHEAD).await == 2).then_some(())).await;
    let guards = "SELECT count(*) FROM pg_constraint WHERE conname LIKE '%guard'";
    eventually("no guard is left", async || (pulso.database.count(guards).await == 0).then_some(())).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM heartbeats_default").await, 60_000);
    pulso.finish().await;
}

#[tokio::test]
async fn a_guard_that_a_killed_worker_left_is_dropped_and_loses_no_row() {
    let mut pulso = without_worker().await;
    let device = pulso.client.new_user().await.new_device().await;
    let guard =
        "ALTER TABLE heartbeats_default ADD CONSTRAINT heartbeats_default_guard CHECK (ts < '1990-01-01Z') NOT VALID";
    pulso.database.execute(guard).await;
    pulso.restart_worker().await;
    let _ = device.client.post("/heartbeats?ack=stored&timeout_ms=20000", &json!({"cpu": 1})).await.expect(200);
    let guards = "SELECT count(*) FROM pg_constraint WHERE conname LIKE '%guard'";
    assert_eq!(pulso.database.count(guards).await, 0);
    pulso.stored(1).await;
    pulso.finish().await;
}
