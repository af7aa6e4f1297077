//! Redis that is down or slow: nobody is kept from sending or signing in.

use std::time::{Duration, Instant};

use pulso_testkit::{Line, LogTarget, Options, Program, Pulso, RunningProgram, eventually, free_port};
use serde_json::json;

use crate::support::outages::redis_proxy;
use crate::support::rate_limits;

#[tokio::test]
async fn ingest_and_sign_in_go_on_without_redis() {
    let (proxy, redis_url) = redis_proxy().await;
    let options = Options { redis_url: Some(redis_url), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    proxy.cut();
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    let _ = user.post("/auth/logout", &json!({})).await.expect(204);
    let _ = user.get("/users/me").await.expect(401);
    let readiness = pulso.client.get("/readyz").await.expect(200);
    assert_eq!(readiness.body["cache"], "down");
    pulso.finish().await;
}

#[tokio::test]
async fn a_redis_that_answers_after_two_seconds_keeps_nobody_from_sending_or_signing_in() {
    let (proxy, redis_url) = redis_proxy().await;
    let options = Options { redis_url: Some(redis_url), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.degrade(Line { latency: Duration::from_secs(2), ..Line::default() });
    let started = Instant::now();
    let user = pulso.client.new_user().await;
    let _ = user.get("/users/me").await.expect(200);
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    let _ = user.post("/auth/logout", &json!({})).await.expect(204);
    let _ = user.get("/users/me").await.expect(401);
    // Five requests, of which some ask Redis: none waits for it to the end.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_frozen_redis_costs_a_few_requests_a_moment_and_the_others_nothing() {
    let (proxy, redis_url) = redis_proxy().await;
    let pulso =
        Pulso::start_with(Options { redis_url: Some(redis_url), without_worker: true, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    proxy.freeze();
    eventually("it is noticed", async || {
        (pulso.client.get("/readyz").await.expect(200).body["cache"] == "down").then_some(())
    })
    .await;
    let started = Instant::now();
    for _ in 0..100 {
        let _ = user.get("/users/me").await.expect(200);
    }
    // Were Redis asked each time, by the limits and by the session, it would be 40 s.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    proxy.cut();
    proxy.restore();
    eventually("it is used again", async || {
        (pulso.client.get("/readyz").await.expect(200).body["cache"] == "up").then_some(())
    })
    .await;
    let _ = user.post("/cache/set", &json!({"key": "a", "value": 1})).await.expect(201);
    pulso.finish().await;
}

#[tokio::test]
async fn limits_are_those_of_all_replicas_however_many_requests_come_at_once() {
    let (proxy, redis_url) = redis_proxy().await;
    let pulso = rate_limits::start_with(&[("USER_MAX_PER_MINUTE", 50)], Some(redis_url)).await;
    let (_replica, other) = pulso.start_replica().await;
    let user = pulso.client.new_user().await;
    let other = other.with_token(user.token().unwrap());
    // Redis is near, but not on this machine: a connection for each call would be held so long that they run out.
    proxy.degrade(Line { latency: Duration::from_millis(15), ..Line::default() });
    let asking: tokio::task::JoinSet<u16> = (0..300)
        .map(|n| if n % 2 == 0 { user.clone() } else { other.clone() })
        .map(|client| async move { client.get("/users/me").await.status })
        .collect();
    let answers = asking.join_all().await;
    let count = |status| answers.iter().filter(|seen| **seen == status).count();
    assert_eq!(count(200) + count(429), 300, "{answers:?}");
    // One comes back each 1.2 s; two replicas that counted for themselves would let 100 in.
    assert!((50..70).contains(&count(200)), "{} were let in", count(200));
    pulso.finish().await;
}

/// A Redis of its own, so small that a test can fill it.
async fn small_redis() -> (RunningProgram, String) {
    let port = free_port().unwrap();
    let settings = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "no"];
    let address = ["--bind", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned);
    let program = Program {
        name: "redis-server".to_owned(),
        executable: "redis-server".into(),
        arguments: address.into_iter().chain(settings.map(str::to_owned)).collect(),
        inherits_environment: true,
        log: LogTarget::default(),
        ..Program::default()
    };
    let running = program.start().unwrap();
    eventually("Redis listens", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop))
        .await;
    (running, format!("redis://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_redis_without_memory_left_takes_no_cache_entries_and_everything_else_goes_on() {
    let (redis, redis_url) = small_redis().await;
    let api = vec![("USER_MAX_PER_MINUTE", "2000".to_owned())];
    let pulso = Pulso::start_with(Options { redis_url: Some(redis_url), api, ..Options::default() }).await;
    let (_replica, other) = pulso.start_replica().await;
    let (filler, user, leaver) =
        (pulso.client.new_user().await, pulso.client.new_user().await, pulso.client.new_user().await);
    let _ = leaver.post("/auth/logout", &json!({})).await.expect(204);
    let left = other.with_token(leaver.token().unwrap());
    let mut full = None;
    for n in 0..100 {
        let entry = json!({"key": format!("key {}", n % 15), "value": "x".repeat(60_000)});
        let someone = if n % 15 == 0 { pulso.client.new_user().await } else { filler.clone() };
        let answer = someone.post("/cache/set", &entry).await;
        if answer.status == 507 {
            full = Some(answer);
            break;
        }
        let filled = pulso.client.new_user().await;
        let _ = filled.post("/cache/set", &entry).await;
    }
    assert_eq!(full.expect("Redis is full").body["type"], "/problems/insufficient-storage");

    // Nothing was evicted: the session stays ended, also on the other replica.
    let _ = left.get("/users/me").await.expect(401);
    let newcomer = pulso.client.new_user().await;
    let device = newcomer.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    let _ = user.get("/users/me").await.expect(200);
    let same = other.with_token(user.token().unwrap());
    let _ = user.post("/auth/logout", &json!({})).await.expect(204);
    let _ = user.get("/users/me").await.expect(401);
    eventually("the other replica knows it from the database", async || {
        (same.get("/users/me").await.status == 401).then_some(())
    })
    .await;
    let readiness = pulso.client.get("/readyz").await.expect(200);
    assert_eq!(readiness.body["cache"], "up");
    pulso.finish().await;
    redis.stop().await;
}
