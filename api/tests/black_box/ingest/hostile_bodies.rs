//! The worst bodies there are: they cost their sender, and nobody else.

use pulso_testkit::{Answer, Client, Pulso};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::bodies::gzip;
use crate::support::rate_limits::{is_refused_by, start_with};
use crate::support::start_api;
use crate::support::time::seconds_from_now;

/// A reading with as many metrics as one may have, each with a name that none may have.
fn thirty_two_faults() -> Value {
    let metrics: serde_json::Map<_, _> = (0..32).map(|n| (format!("!{n}"), json!(1))).collect();
    json!({"metrics": metrics})
}

fn good(age: usize) -> Value {
    json!({"timestamp": seconds_from_now(-60 - i64::try_from(age).unwrap()), "temperature": 20})
}

fn faults_in(rejected: &Value) -> usize {
    rejected.as_array().unwrap().iter().map(|item| item["errors"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn an_answer_lists_a_hundred_faults_and_every_good_item_is_taken() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let bad: Vec<_> = (0..1_000).map(|_| thirty_two_faults()).collect();
    let refused = device.client.post("/readings", &json!(bad)).await.expect(422);
    let faults = refused.body["errors"].as_array().unwrap();
    assert_eq!((faults.len(), &faults[99]["code"]), (100, &json!("more")));
    assert!(faults[99]["detail"].as_str().unwrap().contains("997 items"), "{}", faults[99]);
    assert!(refused.text.len() < 32_000, "an answer of {} bytes", refused.text.len());

    let mixed: Vec<_> = (0..1_000).map(|n| if n % 10 == 0 { good(n) } else { thirty_two_faults() }).collect();
    let taken = device.client.post("/readings", &json!(mixed)).await.expect(202);
    let rejected = taken.body["rejected"].as_array().unwrap();
    assert_eq!((&taken.body["accepted"], rejected.len()), (&json!(100), 900));
    assert_eq!(faults_in(&taken.body["rejected"]), 100);
    // Each is named, also where its faults are not.
    assert_eq!((&rejected[899]["index"], &rejected[899]["errors"]), (&json!(999), &json!([])));
    assert!(taken.text.len() < 64_000, "an answer of {} bytes", taken.text.len());
    pulso.stored(100).await;
    pulso.finish().await;
}

#[tokio::test]
async fn what_was_sent_is_quoted_in_brief() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let long = "~".repeat(500_000);
    for body in [json!([long]), json!({"metrics": {&long: 1}}), json!([{"metrics": {&long: 1}}, long])] {
        let refused = device.client.post("/readings", &body).await.expect(422);
        assert!(refused.text.len() < 2_000, "an answer of {} bytes", refused.text.len());
    }
    let many: serde_json::Map<_, _> = (0..33).map(|n| (format!("m{n}"), json!(n))).collect();
    let refused = device.client.post("/readings", &json!({"metrics": many})).await.expect(422);
    assert_eq!(refused.faults(), [("/metrics".to_owned(), "too_many_items".to_owned())]);
    pulso.finish().await;
}

async fn post(client: &Client, address: &str, body: &Value) -> Answer {
    client.send(client.request(Method::POST, "/readings").header("X-Forwarded-For", address).json(body)).await
}

#[tokio::test]
async fn refused_items_cost_what_good_ones_do() {
    let pulso = start_with(&[("INGEST_MAX_HZ", 2)], None).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let bad: Vec<_> = (0..1_000).map(|_| json!({"temperature": "hot"})).collect();
    // A device's own: its budgets.
    let _ = device.client.post("/readings", &json!(bad)).await.expect(422);
    is_refused_by(&device.client.post("/readings", &json!(bad)).await, "device-backlog");
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(device.client.post("/readings", &json!({"temperature": "hot"})).await);
    }
    assert_eq!(answers[0].status, 422);
    is_refused_by(answers.iter().find(|answer| answer.status == 429).expect("a limit"), "device-live");

    // Nobody's device: the sender's, be it a person or an address.
    let unknown: Vec<_> =
        (0..1_000).map(|_| json!({"device_id": pulso_shared::ids::DeviceId::generate().to_string()})).collect();
    let _ = post(&user, "203.0.113.1", &json!(unknown)).await.expect(422);
    is_refused_by(&post(&user, "203.0.113.1", &json!(unknown)).await, "refused-items");
    let _ = post(&pulso.client, "203.0.113.1", &json!(unknown)).await.expect(401);
    is_refused_by(&post(&pulso.client, "203.0.113.1", &json!(unknown)).await, "refused-items");
    let _ = post(&pulso.client, "203.0.113.2", &json!(unknown)).await.expect(401);

    // A body that cannot be taken apart is charged by its size.
    let garbage = format!("[{}", "{},".repeat(300_000));
    let _ = pulso.client.new_user().await.post_raw("/readings", garbage.clone()).await.expect(400);
    let other = pulso.client.new_user().await;
    for _ in 0..2 {
        let _ = other.post_raw("/readings", garbage.clone()).await;
    }
    is_refused_by(&other.post_raw("/readings", garbage).await, "refused-items");

    // The neighbour's budget is its own.
    let neighbour = user.new_device().await;
    let backlog: Vec<_> = (0..1_000).map(good).collect();
    let _ = neighbour.client.post("/readings", &json!(backlog)).await.expect(202);
    drop(pulso);
}

#[tokio::test]
async fn a_large_body_is_taken_like_a_small_one() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let note = "x".repeat(100_000);
    let one = json!({"temperature": 20, "timestamp": seconds_from_now(-5), "note": note});
    let _ = device.client.post("/readings", &one).await.expect(202);
    let of_user = json!({"device_id": device.id, "temperature": 20, "timestamp": seconds_from_now(-6), "note": note});
    let _ = user.post("/telemetry", &of_user).await.expect(200);
    let earlier = json!({"device_id": device.id, "temperature": 20, "timestamp": seconds_from_now(-7), "note": note});
    let stored = user.post("/data?ack=stored&timeout_ms=30000", &earlier).await.expect(200);
    assert_eq!(stored.body["stored"], json!(1));
    let faulty = json!({"temperature": "hot", "humidity": 101, "note": note});
    let faults = device.client.post("/readings", &faulty).await.expect(422).faults();
    let expected = [("/humidity", "out_of_range"), ("/temperature", "wrong_type")];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    let _ = user.post("/readings", &faulty).await.expect(422);
    let unknown =
        json!({"device_id": pulso_shared::ids::DeviceId::generate().to_string(), "temperature": 20, "note": note});
    let _ = user.post("/readings", &unknown).await.expect(404);
    let _ = device.client.post("/readings", &unknown).await.expect(403);
    let _ = pulso.client.post("/readings", &unknown).await.expect(401);

    let mut backlog: Vec<_> = (0..999).map(good).collect();
    backlog.insert(500, json!(7));
    let _ = device.client.post("/data", &json!(backlog)).await.expect(400);
    let compressed = gzip(json!(backlog).to_string().as_bytes());
    let request = device.client.request(Method::POST, "/readings").header("Content-Encoding", "gzip");
    let taken = device.client.send(request.body(compressed)).await.expect(202);
    let rejected = taken.body["rejected"].as_array().unwrap();
    assert_eq!((&taken.body["accepted"], rejected.len(), &rejected[0]["index"]), (&json!(999), 1, &json!(500)));
    let _ = device.client.post_raw("/readings", format!("{} trailing", json!(backlog))).await.expect(400);
    pulso.stored(3 + 999).await;
    pulso.finish().await;
}
