//! Something behind the API is away, or the API itself is killed: a 2xx stays the truth.

use std::time::{Duration, Instant};

use pulso_testkit::{Client, Options, Proxy, Pulso, eventually};
use serde_json::json;

use crate::ingest::pulso_time;

/// A Pulso whose way to the broker can be cut.
async fn with_broker_proxy(api: Vec<(&'static str, String)>) -> (Pulso, Proxy) {
    let amqp_url = std::env::var("TEST_AMQP_URL").expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&amqp_url)).await;
    // Short heartbeats: a frozen connection is given up by both ends soon.
    let amqp_url = Some(format!("{}?heartbeat=2", proxy.through(&amqp_url)));
    (Pulso::start_with(Options { api, amqp_url, ..Options::default() }).await, proxy)
}

async fn is_ready(client: &Client) -> bool {
    client.get("/readyz").await.status == 200
}

#[tokio::test]
async fn without_the_broker_nothing_is_accepted_and_soon_after_it_is_back_everything_is() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "500".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"timestamp": pulso_time(-5), "cpu": 1});
    proxy.cut();
    eventually("not ready", async || (!is_ready(&pulso.client).await).then_some(())).await;
    let refused = device.client.post("/heartbeats", &body).await.expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(!refused.body.to_string().contains("lapin"), "a 5xx tells nothing of the inside: {}", refused.body);
    proxy.restore();
    let restored = Instant::now();
    eventually("accepted again", async || (device.client.post("/heartbeats", &body).await.status == 202).then_some(()))
        .await;
    assert!(restored.elapsed() < Duration::from_secs(5), "back after {:?}", restored.elapsed());
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_short_outage_of_the_broker_is_not_even_noticed() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "10000".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.cut();
    eventually("not ready", async || (!is_ready(&pulso.client).await).then_some(())).await;
    let client = device.client.clone();
    let waiting = tokio::spawn(async move { client.post("/heartbeats", &json!({"cpu": 1})).await });
    proxy.restore();
    let _ = waiting.await.unwrap().expect(202);
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_half_open_connection_is_a_503_in_time_and_then_replaced() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "500".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"timestamp": pulso_time(-5), "cpu": 1});
    proxy.freeze();
    let _ = device.client.post("/heartbeats", &body).await.expect(503);
    proxy.restore();
    eventually("accepted again", async || (device.client.post("/heartbeats", &body).await.status == 202).then_some(()))
        .await;
    // The worker's frozen connection holds nothing for long: both ends miss each other's heartbeats.
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn an_unroutable_message_is_refused_and_the_queue_made_again() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.broker.delete_queue("store").await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(503);
    eventually("accepted again", async || {
        (device.client.post("/heartbeats", &json!({"cpu": 1})).await.status == 202).then_some(())
    })
    .await;
    pulso.restart_worker().await;
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_full_queue_slows_the_clients_instead_of_growing() {
    let limit = [("QUEUE_MAX_BYTES", "20000".to_owned())];
    let options = Options { without_worker: true, api: limit.to_vec(), worker: limit.to_vec(), ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut accepted = 0;
    let refused = loop {
        let backlog: Vec<_> = (0..50).map(|n| json!({"timestamp": pulso_time(-1_000 * (accepted + 1) - n)})).collect();
        let answer = device.client.post("/heartbeats", &json!(backlog)).await;
        if answer.status != 202 {
            break answer.expect(503);
        }
        accepted += 50;
        assert!(accepted < 10_000, "the queue has no limit");
    };
    assert!(refused.header("retry-after").is_some());
    pulso.restart_worker().await;
    pulso.stored(accepted).await;
    pulso.finish().await;
}

#[tokio::test]
async fn ingest_and_sign_in_go_on_without_redis() {
    let redis_url = std::env::var("TEST_REDIS_URL").expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&redis_url)).await;
    let options = Options { redis_url: Some(proxy.through(&redis_url)), ..Options::default() };
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
async fn what_a_killed_api_has_accepted_is_stored() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let mut acknowledged = 0;
    for round in 0..3 {
        let client = pulso.client.with_token(device.client.token().expect("a token"));
        let mut sending = tokio::task::JoinSet::new();
        for n in 0..50 {
            let client = client.clone();
            let body = json!({"timestamp": pulso_time(-1_000 * (round + 1) - n), "cpu": 1});
            sending.spawn(async move {
                let request = client.request(reqwest::Method::POST, "/heartbeats").json(&body);
                client.try_send(request).await.is_some_and(|answer| answer.status == 202)
            });
        }
        // Killed in the midst: some have their answer, some have not.
        let mut first_answers = 0;
        while first_answers < 10 {
            let Some(accepted) = sending.join_next().await else { break };
            acknowledged += i64::from(accepted.unwrap());
            first_answers += 1;
        }
        pulso.api.kill().await;
        while let Some(accepted) = sending.join_next().await {
            acknowledged += i64::from(accepted.unwrap());
        }
        pulso.restart_api().await;
    }
    assert!(acknowledged >= 30);
    // What got no answer may be there as well: at least the acknowledged ones are.
    let rows = eventually("the acknowledged rows", async || {
        let rows = pulso.database.count("SELECT count(*) FROM heartbeats").await;
        (rows >= acknowledged).then_some(rows)
    })
    .await;
    assert!(rows <= 150);
    pulso.finish().await;
}

#[tokio::test]
async fn sigterm_fails_no_request_in_flight() {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut sending = tokio::task::JoinSet::new();
    for n in 0..100 {
        let client = device.client.clone();
        let body = json!({"timestamp": pulso_time(-1_000 - n)});
        sending.spawn(async move {
            let request = client.request(reqwest::Method::POST, "/heartbeats").json(&body);
            client.try_send(request).await.map(|answer| answer.status)
        });
    }
    let first = sending.join_next().await.unwrap().unwrap();
    assert_eq!(first, Some(202));
    pulso.api.terminate().await;
    let mut acknowledged = 1;
    while let Some(answer) = sending.join_next().await {
        // No answer at all is a connection that was never taken: that client knows nothing was promised.
        if let Some(status) = answer.unwrap() {
            assert_eq!(status, 202);
            acknowledged += 1;
        }
    }
    pulso.stored(acknowledged).await;
    pulso.restart_api().await;
    pulso.finish().await;
}
