//! How much a device may send.

use std::time::{Duration, Instant};

use pulso_testkit::{Answer, Client, Options, Pulso};
use serde_json::{Value, json};

use crate::support::rate_limits::{is_refused_by, start_with};
use crate::support::time::seconds_from_now;

#[tokio::test]
async fn a_devices_limit_is_told_like_any_other() {
    let pulso = start_with(&[("INGEST_MAX_HZ", 2)], None).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut refused: Option<Answer> = None;
    for _ in 0..50 {
        let answer = device.client.post("/heartbeats", &json!({"cpu": 1})).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a device that hurries is stopped");
    is_refused_by(&refused, "device-live");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"device-live\";q=2;w=1"));
    assert_eq!(refused.body["errors"], Value::Null);
    drop(pulso);
}

/// How many heartbeats of a device both replicas take together while it sends to both as fast as they answer.
async fn taken_within(clients: [&Client; 2], time: Duration) -> u32 {
    let end = Instant::now() + time;
    let hurry = async |client: &Client| {
        let mut taken = 0;
        while Instant::now() < end {
            taken += u32::from(client.post("/heartbeats", &json!({"cpu": 1})).await.status == 202);
        }
        taken
    };
    let (one, other) = tokio::join!(hurry(clients[0]), hurry(clients[1]));
    one + other
}

#[tokio::test]
async fn a_device_that_sends_to_two_replicas_has_its_limit_once() {
    let api = vec![("INGEST_MAX_HZ", "20".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let (_process, replica) = pulso.start_replica().await;
    let device = pulso.client.new_user().await.new_device().await;
    let there = replica.with_token(device.client.token().unwrap());
    let mut seen = Vec::new();
    // Each for itself they would take 40 a second, always; together 20, after a moment.
    for _ in 0..8 {
        seen.push(taken_within([&device.client, &there], Duration::from_secs(3)).await);
        if seen.last().is_some_and(|taken| (30..=95).contains(taken)) {
            break;
        }
    }
    assert!(seen.last().is_some_and(|taken| (30..=95).contains(taken)), "in 3 s each: {seen:?}");
    pulso.finish().await;
}

#[tokio::test]
async fn a_device_that_sends_too_fast_is_told_which_limit_and_how_long() {
    let options = Options { api: vec![("INGEST_MAX_HZ", "2".into())], ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut accepted = 0;
    let refused = loop {
        let answer = device.client.post("/heartbeats", &json!({})).await;
        match answer.status {
            202 => accepted += 1,
            _ => break answer.expect(429),
        }
    };
    assert!(refused.header("retry-after").is_some());
    assert!(refused.body["detail"].as_str().unwrap().contains("device-live"), "{}", refused.body);
    let backlog: Vec<_> = (0..1_000).map(|age| json!({"timestamp": seconds_from_now(-60 - age)})).collect();
    let _ = device.client.post("/heartbeats", &Value::Array(backlog.clone())).await.expect(202);
    let refused = device.client.post("/heartbeats", &Value::Array(backlog)).await.expect(429);
    assert!(refused.body["detail"].as_str().unwrap().contains("device-backlog"), "{}", refused.body);
    pulso.stored(accepted + 1_000).await;
    pulso.finish().await;
}
