//! What is older than it is to be kept goes, whole days at once, and nobody waits for it.

use pulso_testkit::{Options, Pulso, eventually};
use serde_json::json;

/// A Pulso that keeps 30 days, its worker not started yet, with a device whose id is in the database alone.
async fn keeping_30_days() -> Pulso {
    let worker = vec![("RETENTION_DAYS", "30".to_owned())];
    let options = Options { without_worker: true, worker, ..Options::default() };
    Pulso::start_with(options).await
}

/// SQL that makes the partition of the day `days` ago, and puts a row into it.
fn day_with_a_row(table: &str, days: u32) -> String {
    format!(
        "DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - {days}; BEGIN
             EXECUTE format('CREATE TABLE {table}_%s PARTITION OF {table} FOR VALUES FROM (%L) TO (%L)',
                 to_char(day, 'YYYYMMDD'), day::text || ' 00:00Z', (day + 1)::text || ' 00:00Z');
             INSERT INTO {table} (device_id, ts, received_at)
             SELECT id, (day::text || ' 12:00Z')::timestamptz, now() FROM devices;
         END $$"
    )
}

/// Ages in days of the rows that are there, oldest first.
async fn ages(pulso: &Pulso, table: &str) -> Vec<i32> {
    let sql =
        format!("SELECT (now() AT TIME ZONE 'UTC')::date - (ts AT TIME ZONE 'UTC')::date FROM {table} ORDER BY ts");
    pulso.database.query(&sql, &[]).await.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn days_that_are_too_old_are_dropped_and_the_default_partition_is_pruned() {
    let mut pulso = keeping_30_days().await;
    let _ = pulso.client.new_user().await.new_device().await;
    for table in ["heartbeats", "readings"] {
        for days in [400, 33, 32, 31, 20] {
            pulso.database.execute(&day_with_a_row(table, days)).await;
        }
        // In the default partition, and enough of it for several pieces.
        pulso
            .database
            .execute(&format!(
                "INSERT INTO {table} (device_id, ts, received_at)
                 SELECT id, '2020-01-01Z'::timestamptz + n * interval '1 second', now()
                 FROM devices, generate_series(1, 120000) AS n;
                 INSERT INTO {table} (device_id, ts, received_at)
                 SELECT id, now() - interval '25 days', now() FROM devices;
                 CREATE TABLE {table}_20190101 (LIKE {table} INCLUDING ALL)"
            ))
            .await;
    }
    pulso.restart_worker().await;
    for table in ["heartbeats", "readings"] {
        eventually("what is too old has gone", async || (ages(&pulso, table).await == [31, 25, 20]).then_some(()))
            .await;
        let left_over = format!("SELECT count(*) FROM pg_class WHERE relname = '{table}_20190101'");
        eventually("what a killed worker had detached has gone", async || {
            (pulso.database.count(&left_over).await == 0).then_some(())
        })
        .await;
    }
    pulso.finish().await;
}

#[tokio::test]
async fn rollups_that_are_too_old_go_and_no_kept_answer_outlives_them() {
    let worker = vec![("RETENTION_DAYS", "30".to_owned()), ("ROLLUP_RETENTION_DAYS", "60".to_owned())];
    let options = Options { without_worker: true, worker, ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let user = pulso.client.new_user().await;
    let _ = user.new_device().await;
    // As a worker without these settings has left them: all raw rows given up, rollups of an old hour and of a newer
    // one.
    pulso
        .database
        .execute(
            "UPDATE rollup_watermarks SET closed_until = date_trunc('hour', now()) - interval '1 hour',
                 rolled_until = date_trunc('hour', now()) - interval '1 hour', raw_from = now() - interval '30 days';
             UPDATE device_state SET reading_ts = now() - interval '40 days';
             INSERT INTO readings_hourly (device_id, bucket, voltage_count, voltage_sum, temperature_count,
                 humidity_count, current_count)
             SELECT id, bucket, 1, 230, 0, 0, 0 FROM devices, unnest(ARRAY[
                 date_trunc('hour', now() - interval '90 days'), date_trunc('hour', now() - interval '40 days')
             ]) AS bucket",
        )
        .await;
    let range = pulso.database.query("SELECT (now() - interval '100 days')::date::text, now()::date::text", &[]).await;
    let (from, to): (String, String) = (range[0].get(0), range[0].get(1));
    let path = format!("/data?aggregation=hour&sensor_type=voltage&start_time={from}T00:00:00&end_time={to}T00:00:00");
    let hours = async || user.get(&path).await.expect(200).body.as_array().unwrap().len();
    for _ in 0..2 {
        assert_eq!(hours().await, 2);
    }
    let metrics = pulso.client.get("/metrics").await.expect(200).text;
    assert!(metrics.contains("pulso_export_cache_hits_total 1\n"), "the second answer was kept");
    pulso.restart_worker().await;
    eventually("what is too old is in no answer", async || (hours().await == 1).then_some(())).await;
    pulso.finish().await;
}

#[tokio::test]
async fn without_a_setting_everything_is_kept() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute(&day_with_a_row("heartbeats", 3_000)).await;
    pulso.restart_worker().await;
    let answer = device.client.post("/heartbeats?ack=stored", &json!({"timestamp": "2024-02-19T12:34:56"})).await;
    let _ = answer.expect(200);
    pulso.stored(2).await;
    let found = device.client.get(&format!("/devices/{}/heartbeats?end=2024-12-31T00:00:00Z", device.id)).await;
    assert_eq!(found.expect(200).body[0]["timestamp"], "2024-02-19T12:34:56Z");
    pulso.finish().await;
}

#[tokio::test]
async fn a_reader_in_the_way_delays_the_dropping_but_not_ingest() {
    let mut pulso = keeping_30_days().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute(&day_with_a_row("heartbeats", 100)).await;
    let old = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'heartbeats'::regclass
               AND inhrelid::regclass::text = 'heartbeats_' || to_char((now() AT TIME ZONE 'UTC')::date - 100, 'YYYYMMDD')";
    pulso
        .database
        .execute(
            "BEGIN; DO $$ BEGIN
                 EXECUTE 'SELECT count(*) FROM heartbeats_' || to_char((now() AT TIME ZONE 'UTC')::date - 100, 'YYYYMMDD');
             END $$",
        )
        .await;
    pulso.restart_worker().await;
    let worker = pulso.worker.as_ref().unwrap();
    eventually("somebody is in the way", async || worker.has_logged(r#""job":"expiry""#).then_some(())).await;
    for n in 0..20 {
        let _ = device.client.post("/heartbeats?ack=stored&timeout_ms=10000", &json!({"cpu": n})).await.expect(200);
    }
    assert_eq!(pulso.database.count(old).await, 1);
    pulso.database.execute("COMMIT").await;
    eventually("it is dropped", async || (pulso.database.count(old).await == 0).then_some(())).await;
    pulso.finish().await;
}
