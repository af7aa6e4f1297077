//! One account's heavy queries keep nobody else waiting. They are made to take as long as a test wants by a lock on the
//! table that they read, which nothing else of what is asked here needs.

use std::time::{Duration, Instant};

use pulso_testkit::{Answer, Client, Options, Proxy, Pulso, eventually};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::rate_limits::is_refused_by;
use crate::support::start_api;

const LOCK: &str = "BEGIN; LOCK TABLE rollup_watermarks IN ACCESS EXCLUSIVE MODE";

/// Queries of the API that the lock holds up.
async fn held_up(pulso: &Pulso) -> i64 {
    // What one transaction has seen of other sessions it sees again, unless it is told to forget it.
    pulso.database.execute("SELECT pg_stat_clear_snapshot()").await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name = 'pulso-api' AND wait_event_type = 'Lock'";
    pulso.database.count(waiting).await
}

async fn await_held_up(pulso: &Pulso, queries: i64) {
    eventually(&format!("{queries} queries are held up"), async || (held_up(pulso).await == queries).then_some(()))
        .await;
}

/// Sends the same request many times at once.
fn many(client: &Client, path: &'static str, requests: usize) -> JoinSet<Answer> {
    (0..requests).map(|_| (client.clone(), path)).map(|(client, path)| async move { client.get(path).await }).collect()
}

#[tokio::test]
async fn an_account_that_asks_for_its_fleet_200_times_at_once_stops_nobody_else() {
    let pulso = start_api(vec![("DATABASE_POOL_SIZE", "8".to_owned())]).await;
    let (_replica, other_replica) = pulso.start_replica().await;
    let (attacker, neighbour) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let device = neighbour.new_device().await;
    let server = neighbour.post("/servers", &json!({"server_name": "open"})).await.expect(201).body;
    let server = server["server_ulid"].as_str().unwrap().to_owned();
    pulso.database.execute(LOCK).await;
    let asking = many(&attacker, "/data", 200);
    await_held_up(&pulso, 4).await;

    let secret = json!({"device_id": device.id, "secret": device.secret});
    for round in 0..10 {
        let _ = pulso.client.post("/auth/device", &secret).await.expect(200);
        let _ = pulso.client.post("/heartbeats", &json!({"device_id": server, "cpu": round})).await.expect(202);
        let _ = neighbour.get("/users/me").await.expect(200);
        let _ = neighbour.get("/devices?q=open").await.expect(200);
        let _ = pulso.client.get("/products").await.expect(200);
        let _ = pulso.client.get("/readyz").await.expect(200);
    }
    let _ = pulso.client.new_user().await;
    // Read from the database: the other replica does not ask Redis about devices.
    let token = pulso.client.post("/auth/device", &secret).await.expect(200).body;
    let token = token["access_token"].as_str().unwrap().to_owned();
    let _ = other_replica.with_token(&token).post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    let _ = other_replica.with_token(neighbour.token().unwrap());
    let rotated = Instant::now();
    let _ = neighbour.post(&format!("/devices/{}/credentials", device.id), &json!({})).await.expect(201);
    for client in [&other_replica, &pulso.client] {
        let client = client.with_token(&token);
        eventually("the old secret's token is refused", async || {
            (client.post("/heartbeats", &json!({"cpu": 1})).await.status == 401).then_some(())
        })
        .await;
    }
    assert!(rotated.elapsed() < Duration::from_secs(5), "{:?}", rotated.elapsed());
    assert!(!pulso.api.has_logged("ingest unavailable"), "a watermark probe was missed");
    assert!(!pulso.api.has_logged("revocations not refreshed"));

    pulso.database.execute("ROLLBACK").await;
    let answers = asking.join_all().await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(200) + count(429), 200, "nobody gets anything else");
    assert!((4..=20).contains(&count(200)), "{} were answered", count(200));
    answers.iter().filter(|answer| answer.status == 429).for_each(|answer| is_refused_by(answer, "concurrent-queries"));
    let _ = attacker.get("/data").await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn an_account_may_run_as_many_heavy_queries_as_configured_and_queue_four_times_as_many() {
    let api = vec![("DATABASE_POOL_SIZE", "8".to_owned()), ("ACCOUNT_MAX_CONCURRENT_QUERIES", "2".to_owned())];
    let pulso = start_api(api).await;
    let (user, neighbour) = (pulso.client.new_user().await, pulso.client.new_user().await);
    pulso.database.execute(LOCK).await;
    let running = many(&user, "/data", 10);
    await_held_up(&pulso, 2).await;
    // Whatever the address: the account has one share, and each device of it takes from that one.
    let device = user.new_device().await;
    let own = format!("/devices/{}/readings", device.id);
    for (client, path) in [(&user, "/data"), (&user, "/health/all"), (&user, "/tasks"), (&device.client, own.as_str())]
    {
        is_refused_by(&client.get(path).await, "concurrent-queries");
    }
    for path in ["/health/all", "/fleet/summary", "/tasks?q=x", "/orders", "/devices/export", "/servers"] {
        let _ = neighbour.get(path).await.expect(200);
    }
    // What is found by its key is not counted.
    let _ = user.get("/users/me").await.expect(200);
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.database.execute("ROLLBACK").await;
    assert!(running.join_all().await.iter().all(|answer| matches!(answer.status, 200 | 429)));
    let metrics = pulso.client.get("/metrics").await.text;
    assert!(metrics.contains("pulso_queries_refused_total{limit=\"account\"}"), "{metrics}");
    pulso.finish().await;
}

#[tokio::test]
async fn many_accounts_together_leave_connections_to_what_is_found_by_its_key() {
    let pulso = start_api(vec![("DATABASE_POOL_SIZE", "4".to_owned())]).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let task = user.post("/tasks", &json!({"title": "lamp"})).await.expect(201).body;
    let task = format!("/tasks/{}", task["id"].as_str().unwrap());
    pulso.database.execute(LOCK).await;
    let mut asking = Vec::new();
    for _ in 0..5 {
        asking.push(many(&pulso.client.new_user().await, "/data", 2));
    }
    await_held_up(&pulso, 3).await;
    for _ in 0..5 {
        let _ = user.get(&task).await.expect(200);
        let _ = user.patch(&task, &json!({"title": "lamp 2"})).await.expect(200);
        let _ = pulso
            .client
            .post("/auth/device", &json!({"device_id": device.id, "secret": device.secret}))
            .await
            .expect(200);
    }
    let refused = user.get("/tasks").await.expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    pulso.database.execute("ROLLBACK").await;
    for answers in asking {
        assert!(answers.join_all().await.iter().all(|answer| matches!(answer.status, 200 | 503)));
    }
    let _ = user.get("/tasks").await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_query() {
    let pulso = start_api(vec![("DATABASE_POOL_SIZE", "2".to_owned())]).await;
    let user = pulso.client.new_user().await;
    pulso.database.execute(LOCK).await;
    for path in ["/data", "/data?aggregation=hour", "/products?q=x"] {
        if path.starts_with("/products") {
            pulso.database.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await;
        }
        let mut connection = TcpStream::connect(Proxy::upstream_of(pulso.client.base())).await.unwrap();
        let token = user.token().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        await_held_up(&pulso, 1).await;
        drop(connection);
        await_held_up(&pulso, 0).await;
    }
    pulso.database.execute("ROLLBACK").await;
    // The connections that were given up are replaced.
    for _ in 0..4 {
        let _ = user.get("/data").await.expect(200);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_reader_with_many_connections_that_hang_up_at_once_leaves_nothing_running() {
    let options =
        Options { api: vec![("DATABASE_POOL_SIZE", "8".to_owned())], without_worker: true, ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let user = pulso.client.new_user().await;
    pulso.database.execute(LOCK).await;
    let asking = many(&user, "/data", 50);
    await_held_up(&pulso, 4).await;
    drop(asking);
    await_held_up(&pulso, 0).await;
    pulso.database.execute("ROLLBACK").await;
    let _ = user.get("/data").await.expect(200);
    pulso.finish().await;
}

/// What the database counts; its sessions report once a second at most.
async fn committed_now(pulso: &Pulso, count: &str) -> i64 {
    pulso.database.execute("SELECT pg_stat_force_next_flush()").await;
    pulso.database.execute("SELECT pg_stat_clear_snapshot()").await;
    pulso.database.count(count).await
}

#[tokio::test]
async fn readiness_is_probed_once_however_many_ask() {
    let pulso = start_api(Vec::new()).await;
    let committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let before = committed_now(&pulso, committed).await;
    let answers = many(&pulso.client, "/readyz", 500).join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let answers = many(&pulso.client, "/readyz", 500).join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body["database"] == "up"));
    let during = committed_now(&pulso, committed).await - before;
    // Watermark probes and the look for revocations go on meanwhile: a few a second.
    assert!(during < 500, "{during} transactions");
    assert!(!pulso.api.has_logged("ingest unavailable"), "a watermark probe was missed");
    pulso.finish().await;
}
