//! Redis that is down or slow: nobody is kept from sending or signing in.

use std::time::{Duration, Instant};

use pulso_testkit::{Line, Options, Pulso};
use serde_json::json;

use crate::support::outages::redis_proxy;

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
