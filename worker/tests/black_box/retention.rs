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
    let range = pulso
        .database
        .query("SELECT (now() - interval '100 days')::date::text, (now() - interval '1 day')::date::text", &[])
        .await;
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

#[tokio::test]
async fn what_has_expired_is_deleted_and_what_still_says_something_stays() {
    let worker = vec![("ROLLUP_RETENTION_DAYS", "30".to_owned()), ("AUDIT_RETENTION_DAYS", "60".to_owned())];
    let mut pulso = Pulso::start_with(Options { without_worker: true, worker, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    let _ = user.new_device().await;
    pulso
        .database
        .execute(
            "INSERT INTO sessions (id, user_id, created_at)
             SELECT gen_random_uuid(), id, now() - interval '40 days' FROM users, generate_series(1, 3);
             INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
             SELECT uuid_send(id), id, now() - interval '2 hours' FROM sessions WHERE created_at < now() - interval '1 day';
             INSERT INTO device_status_changes (device_id, at, status, decided_at, reason)
             SELECT id, now() - age * interval '1 day', 'offline', now(), 'silence'
             FROM devices, unnest(ARRAY[100, 90, 80, 20, 10]) AS age;
             INSERT INTO availability_runs (replica_id, available_since, available_until)
             SELECT gen_random_uuid(), now() - age * interval '1 day', now() - (age - 1) * interval '1 day'
             FROM unnest(ARRAY[100, 90, 80, 20]) AS age;
             INSERT INTO audit_log (id, at, actor_id, action, subject_id)
             SELECT gen_random_uuid(), now() - age * interval '1 day', gen_random_uuid(), 'test', gen_random_uuid()
             FROM unnest(ARRAY[100, 63, 59]) AS age;
             INSERT INTO orders (id, status, currency, total_minor, created_at, updated_at)
             VALUES (gen_random_uuid(), 'paid', 'EUR', 1, now(), now());
             INSERT INTO order_keys (user_id, key, body_digest, order_id, answer, created_at)
             SELECT users.id, hours::text, sha256(''), orders.id, '{}', now() - hours * interval '1 hour'
             FROM users, orders, unnest(ARRAY[50, 47]) AS hours",
        )
        .await;
    pulso.restart_worker().await;
    for (left, rows) in [
        ("sessions", 1),
        ("refresh_tokens", 1),
        ("order_keys", 1),
        // With the last one from before the cutoff.
        ("device_status_changes", 3),
        ("availability_runs WHERE available_until < now() - interval '1 day'", 2),
        ("audit_log WHERE action = 'test'", 1),
    ] {
        let count = format!("SELECT count(*) FROM {left}");
        eventually(left, async || (pulso.database.count(&count).await == rows).then_some(())).await;
    }
    let _ = user.get("/users/me").await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn a_month_is_dropped_when_all_of_it_is_too_old_and_pruned_before() {
    let mut pulso = keeping_30_days().await;
    let _ = pulso.client.new_user().await.new_device().await;
    let months = "DO $$ DECLARE cutoff date := (now() AT TIME ZONE 'UTC')::date - 31; part record; BEGIN
        FOR part IN SELECT * FROM (VALUES (cutoff - 60, cutoff - 29), (cutoff - 29, cutoff), (cutoff, cutoff + 20))
            AS parts (first, last) LOOP
            EXECUTE format('CREATE TABLE readings_%s_%s PARTITION OF readings FOR VALUES FROM (%L) TO (%L)',
                to_char(part.first, 'YYYYMMDD'), to_char(part.last, 'YYYYMMDD'),
                part.first::text || ' 00:00Z', part.last::text || ' 00:00Z');
        END LOOP;
        INSERT INTO readings (device_id, ts, received_at)
        SELECT id, (cutoff::text || ' 12:00Z')::timestamptz - age * interval '1 day', now()
        FROM devices, unnest(ARRAY[50, 40, 10, 1, 0, -5]) AS age;
    END $$";
    pulso.database.execute(months).await;
    pulso.restart_worker().await;
    eventually("what is too old has gone", async || (ages(&pulso, "readings").await == [31, 26]).then_some(())).await;
    pulso.finish().await;
}
