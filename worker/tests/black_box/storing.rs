//! Every accepted reading is one row, whatever happens to the workers.

use pulso_testkit::{Client, Device, Options, Process, Pulso, eventually};
use serde_json::{Value, json};

/// A backlog of `count` heartbeats with timestamps of their own, oldest first.
fn backlog(count: i64, newest_age_s: i64) -> Value {
    (0..count).rev().map(|n| json!({"timestamp": at(-newest_age_s - n), "cpu": n % 100})).collect()
}

fn at(offset_s: i64) -> String {
    (pulso_shared::clock::Clock::system().now() + chrono::TimeDelta::seconds(offset_s)).to_rfc3339()
}

async fn send_backlog(device: &Device, count: i64, newest_age_s: i64) {
    let _ = device.client.post("/heartbeats", &backlog(count, newest_age_s)).await.expect(202);
}

/// A counter of a worker's; 0 while it has counted nothing.
async fn counted(worker: &mut Process, counter: &str) -> i64 {
    let address = worker.logged("health and metrics", "address").await;
    let metrics = Client::new(format!("http://{address}")).get("/metrics").await.expect(200).text;
    let value = metrics.lines().find_map(|line| line.strip_prefix(counter)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Until writers of the table wait for the test's own lock on it.
async fn writers_wait(pulso: &Pulso) {
    let waiting = format!("SELECT count(*) {WAITING_WRITERS}");
    eventually("a writer waits", async || (pulso.database.count(&waiting).await > 0).then_some(())).await;
}

const LOCK: &str = "BEGIN; LOCK TABLE heartbeats IN SHARE MODE";
const WAITING_WRITERS: &str = "FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'
    AND relation = 'heartbeats'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn workers_killed_again_and_again_lose_nothing_and_double_nothing() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    for batch in 0..20 {
        send_backlog(&device, 200, 10_000 * batch).await;
    }
    // More often than RabbitMQ 4's own delivery limit of 20.
    for _ in 0..25 {
        pulso.restart_worker().await;
        pulso.worker.as_mut().unwrap().kill().await;
    }
    pulso.restart_worker().await;
    pulso.stored(4_000).await;
    pulso.finish().await;
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight_and_leaves_the_rest_in_the_queue() {
    let few_in_flight = vec![("PREFETCH", "4".to_owned())];
    let mut pulso = Pulso::start_with(Options { worker: few_in_flight, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    // The worker's statements have been prepared, which would wait for the lock too, and no watermark probes of the
    // start are in flight.
    send_backlog(&device, 1, 500_000).await;
    pulso.stored(1).await;
    pulso.database.execute(LOCK).await;
    for batch in 0..10 {
        send_backlog(&device, 500, 10_000 * batch).await;
    }
    writers_wait(&pulso).await;
    // The signal is sent before the lock is lifted.
    tokio::join!(pulso.worker.as_mut().unwrap().terminate(), pulso.database.execute("ROLLBACK"));
    let in_flight = pulso.database.count("SELECT count(*) - 1 FROM heartbeats").await;
    assert!((500..5_000).contains(&in_flight), "{in_flight} stored");
    pulso.restart_worker().await;
    pulso.stored(5_001).await;
    // What the first one stored it also acknowledged: the second one has seen none of it.
    let second = pulso.worker.as_mut().unwrap();
    eventually("the second has stored the rest", async || {
        (counted(second, "pulso_stored_total").await == 5_000 - in_flight).then_some(())
    })
    .await;
    assert_eq!(counted(second, "pulso_duplicates_total").await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn several_workers_share_one_devices_interleaved_batches() {
    let mut pulso = Pulso::start().await;
    let mut others = [pulso.start_another_worker().await, pulso.start_another_worker().await];
    let device = pulso.client.new_user().await.new_device().await;
    let now = pulso_shared::clock::Clock::system().now();
    let mut sending = tokio::task::JoinSet::new();
    for batch in 0..30 {
        let client = device.client.clone();
        // Each batch overlaps the one before: half of what is sent is sent twice.
        let body: Value =
            (0..100).map(|n| json!({"timestamp": now - chrono::TimeDelta::seconds(50 * batch + n)})).collect();
        sending.spawn(async move { client.post("/heartbeats", &body).await.status });
    }
    while let Some(status) = sending.join_next().await {
        assert_eq!(status.unwrap(), 202);
    }
    pulso.stored(1_550).await;
    // The table's key sees to it that there is none twice; that the workers say so too is theirs.
    let duplicates = "SELECT count(*) - count(DISTINCT (device_id, ts)) FROM heartbeats";
    assert_eq!(pulso.database.count(duplicates).await, 0);
    let [second, third] = &mut others;
    let first = pulso.worker.as_mut().unwrap();
    eventually("each new row is counted by one worker", async || {
        let of_all = counted(first, "pulso_stored_total").await
            + counted(second, "pulso_stored_total").await
            + counted(third, "pulso_stored_total").await;
        (of_all == 1_550).then_some(())
    })
    .await;
    for other in &mut others {
        other.terminate().await;
    }
    pulso.finish().await;
}

#[tokio::test]
async fn the_latest_state_never_goes_backwards() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let newest = at(-60);
    let _ = device.client.post("/heartbeats", &json!({"timestamp": newest, "cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    let _ = device.client.post("/heartbeats", &json!({"timestamp": at(-3_600), "cpu": 2})).await.expect(202);
    let _ = device.client.post("/readings", &json!({"timestamp": at(-7_200), "voltage": 2})).await.expect(202);
    pulso.stored(3).await;
    let state = "SELECT heartbeat_ts = $1::text::timestamptz AND last_seen_at = $1::text::timestamptz
                 AND reading_ts < heartbeat_ts FROM device_state";
    eventually("the state is the newest", async || {
        pulso.database.query(state, &[&newest]).await[0].get::<_, Option<bool>>(0).filter(|newest| *newest)
    })
    .await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_clock_that_runs_ahead_does_not_make_a_device_look_alive() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"timestamp": at(240)})).await.expect(202);
    pulso.stored(1).await;
    let ahead = "SELECT count(*) FROM device_state WHERE last_seen_at > now()";
    assert_eq!(pulso.database.count(ahead).await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn while_the_database_is_away_the_queue_holds_and_nothing_is_dead() {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    // Away for this worker: its tables are not there.
    pulso.database.execute("ALTER TABLE heartbeats RENAME TO heartbeats_away").await;
    send_backlog(&device, 100, 0).await;
    // The batch, or a watermark probe that came before it.
    eventually("the worker waits", async || {
        pulso.worker.as_ref().unwrap().has_logged(r#"not stored; retrying""#).then_some(())
    })
    .await;
    pulso.database.execute("ALTER TABLE heartbeats_away RENAME TO heartbeats").await;
    pulso.stored(100).await;
    pulso.worker.as_mut().unwrap().terminate().await;
    pulso.restart_worker().await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_killed_database_connection_is_made_anew() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for round in 0..3 {
        send_backlog(&device, 10, 1_000 * round).await;
        pulso.stored(10 * (round + 1)).await;
        pulso
            .database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'pulso-worker'",
            )
            .await;
    }
    pulso.finish().await;
}

#[tokio::test]
async fn what_lies_in_the_default_partition_moves_when_its_day_gets_one() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso
        .database
        .execute(&format!(
            "INSERT INTO heartbeats (device_id, ts, received_at) SELECT id, now(), now() FROM devices; {}",
            "INSERT INTO heartbeats (device_id, ts, received_at) SELECT id, '2020-01-01', now() FROM devices"
        ))
        .await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM heartbeats_default").await, 2);
    pulso.restart_worker().await;
    eventually("both rows have moved", async || {
        (pulso.database.count("SELECT count(*) FROM heartbeats_default").await == 0).then_some(())
    })
    .await;
    let _ = device.client.post("/heartbeats", &json!({"timestamp": at(-5)})).await.expect(202);
    pulso.stored(3).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_lock_on_the_table_delays_and_loses_nothing() {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let (locked, unlocked) = ("BEGIN; LOCK TABLE heartbeats IN ACCESS EXCLUSIVE MODE", "ROLLBACK");
    pulso.database.execute(locked).await;
    send_backlog(&device, 100, 0).await;
    eventually("the worker has it in flight", async || (pulso.broker.depth("store").await == 0).then_some(())).await;
    // Dies with it in flight: its transaction must not hold on to the rows of the next one.
    pulso.worker.as_mut().unwrap().kill().await;
    pulso.restart_worker().await;
    pulso.database.execute(unlocked).await;
    pulso.stored(100).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_halved_and_its_last_row_waits() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    // The worker's statements have been prepared: preparing them would wait for the lock too.
    send_backlog(&device, 1, 10).await;
    pulso.stored(1).await;
    pulso.database.execute(LOCK).await;
    send_backlog(&device, 4, 0).await;
    // What the statement's timeout does after a minute.
    let cancel = format!("SELECT pg_cancel_backend(pid) {WAITING_WRITERS}");
    eventually("the row that is alone waits", async || {
        writers_wait(&pulso).await;
        pulso.database.execute(&cancel).await;
        pulso.worker.as_ref().unwrap().has_logged(r#""batch not stored; retrying""#).then_some(())
    })
    .await;
    assert!(pulso.worker.as_ref().unwrap().has_logged(r#""batch too slow; halving it""#));
    pulso.database.execute("ROLLBACK").await;
    pulso.stored(5).await;
    pulso.finish().await;
}
