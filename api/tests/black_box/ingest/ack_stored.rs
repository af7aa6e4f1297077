//! `?ack=stored`: a 200 is the truth about the commit.

use std::time::{Duration, Instant};

use pulso_testkit::{Options, Pulso};
use serde_json::{Value, json};

use crate::support::outages::redis_proxy;
use crate::support::start_api;
use crate::support::time::seconds_from_now;

/// Rows that are there at this very moment.
async fn rows(pulso: &Pulso) -> i64 {
    pulso.database.count("SELECT (SELECT count(*) FROM heartbeats) + (SELECT count(*) FROM readings)").await
}

#[tokio::test]
async fn a_200_comes_when_the_rows_are_committed_on_every_route() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut expected = 0;
    for (path, body, count) in [
        ("/heartbeats", json!({"cpu": 1}), 1),
        ("/heartbeats", json!([{"timestamp": seconds_from_now(-60)}, {"timestamp": "2024-02-19T12:34:56"}]), 2),
        ("/readings", json!([{"voltage": 1}, {"voltage": 2}, {"voltage": 3}]), 3),
        (&format!("/devices/{}/heartbeats", device.id), json!({"cpu": 1}), 1),
        (&format!("/devices/{}/readings", device.id), json!({"current": 1}), 1),
        ("/telemetry", json!({"humidity": 1}), 1),
        ("/data", json!({"temperature": 21.5}), 1),
    ] {
        let answer = device.client.post(&format!("{path}?ack=stored"), &body).await.expect(200);
        expected += count;
        assert_eq!((&answer.body["stored"], rows(&pulso).await), (&json!(count), expected), "{path}: {}", answer.body);
    }
    let answer = device.client.post("/data?ack=stored", &json!({"temperature": 0})).await.expect(200);
    assert_eq!((&answer.body["temperature"], &answer.body["server_ulid"]), (&json!(0.0), &json!(device.id)));
    pulso.finish().await;
}

#[tokio::test]
async fn what_is_there_already_counts_as_stored_and_what_is_rejected_does_not() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let known = json!({"timestamp": seconds_from_now(-60), "cpu": 1});
    let _ = device.client.post("/heartbeats", &known).await.expect(202);
    pulso.stored(1).await;
    let mixed = json!([known, known, {"timestamp": seconds_from_now(-30)}, {"cpu": 101}]);
    let answer = device.client.post("/heartbeats?ack=stored", &mixed).await.expect(200);
    assert_eq!((&answer.body["accepted"], &answer.body["stored"]), (&json!(3), &json!(3)));
    assert_eq!((&answer.body["rejected"][0]["index"], rows(&pulso).await), (&json!(3), 2));
    pulso.finish().await;
}

#[tokio::test]
async fn a_202_comes_when_the_time_runs_out_and_the_reading_is_stored_all_the_same() {
    let mut pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let asked = Instant::now();
    let answer = device.client.post("/heartbeats?ack=stored&timeout_ms=300", &json!({"cpu": 1})).await.expect(202);
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.body, json!({"accepted": 1, "rejected": []}));
    for path in ["/telemetry", "/data"] {
        let body = json!({"timestamp": seconds_from_now(-1), "temperature": 1});
        let answer = device.client.post(&format!("{path}?ack=stored&timeout_ms=1"), &body).await.expect(202);
        assert!(answer.body.get("stored").is_none());
    }
    // One who waits while the worker comes gets its 200.
    let client = device.client.clone();
    let waiting =
        tokio::spawn(async move { client.post("/heartbeats?ack=stored&timeout_ms=30000", &json!({"cpu": 2})).await });
    pulso.restart_worker().await;
    assert_eq!(waiting.await.unwrap().expect(200).body["stored"], 1);
    pulso.stored(4).await;
    pulso.finish().await;
}

#[tokio::test]
async fn it_is_told_without_redis_and_of_many_at_once() {
    let (proxy, redis_url) = redis_proxy().await;
    let options = Options { redis_url: Some(redis_url), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.cut();
    let mut sending = tokio::task::JoinSet::new();
    for batch in 0..40 {
        let client = device.client.clone();
        let at = |n: i64| json!({"timestamp": seconds_from_now(-86_400 * (n % 50) - 100 * batch), "cpu": n % 100});
        let body: Value = (0..100).map(at).collect();
        sending.spawn(async move { client.post("/heartbeats?ack=stored&timeout_ms=30000", &body).await });
    }
    let mut stored = 0;
    while let Some(answer) = sending.join_next().await {
        stored += answer.unwrap().expect(200).body["stored"].as_i64().unwrap();
    }
    assert_eq!(stored, 4_000);
    let distinct = rows(&pulso).await;
    assert!((2_000..=4_000).contains(&distinct), "{distinct}");
    pulso.finish().await;
}

#[tokio::test]
async fn sigterm_answers_who_waits_and_what_cannot_be_meant_is_refused_before_anything_is_taken() {
    let mut pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    for query in ["ack=store", "ack=stored&timeout_ms=0", "ack=stored&timeout_ms=30001", "timeout_ms=x"] {
        let _ = device.client.post(&format!("/heartbeats?{query}"), &json!({"cpu": 1})).await.expect(422);
    }
    let accepted = async |count: &str| pulso.client.get("/metrics").await.expect(200).text.contains(count);
    assert!(!accepted("pulso_ingest_accepted_total").await, "nothing of it was taken");
    let client = device.client.clone();
    let body = json!({"timestamp": seconds_from_now(-5)});
    let waiting = tokio::spawn(async move { client.post("/heartbeats?ack=stored&timeout_ms=30000", &body).await });
    pulso_testkit::eventually("it is in the queue", async || {
        accepted("pulso_ingest_accepted_total 1\n").await.then_some(())
    })
    .await;
    let stopped = Instant::now();
    pulso.api.terminate().await;
    assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
    let _ = waiting.await.unwrap().expect(202);
    pulso.restart_worker().await;
    pulso.stored(1).await;
    pulso.restart_api().await;
    pulso.finish().await;
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_refused_at_the_door() {
    let api = vec![("RETENTION_DAYS", "30".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    let days = |days: i64| json!({"timestamp": seconds_from_now(-86_400 * days - 60), "cpu": 1});
    let refused = device.client.post("/heartbeats", &days(30)).await.expect(422);
    assert_eq!(refused.faults(), [("/timestamp".to_owned(), "too_old".to_owned())]);
    assert!(refused.body["detail"].as_str().unwrap().contains("30 days"), "{}", refused.body);
    let answer = device.client.post("/heartbeats?ack=stored", &json!([days(29), days(31)])).await.expect(200);
    assert_eq!((&answer.body["stored"], &answer.body["rejected"][0]["index"]), (&json!(1), &json!(1)));
    pulso.finish().await;
}
