//! Messages of one device and one instant: what the API says of the one row that they make.

use pulso_testkit::{Answer, Client, Pulso};
use serde_json::{Value, json};

use crate::support::time::seconds_from_now;

async fn post_stored(client: &Client, path: &str, body: &Value) -> Answer {
    client.post(&format!("{path}?ack=stored&timeout_ms=30000"), body).await.expect(200)
}

#[tokio::test]
async fn latest_history_charts_csv_and_export_show_the_values_of_both() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let at = seconds_from_now(-60);
    for (path, first, second) in [
        ("/readings", json!({"timestamp": at, "temperature": 20}), json!({"timestamp": at, "humidity": 55})),
        ("/heartbeats", json!({"timestamp": at, "cpu": 1}), json!({"timestamp": at, "ram": 2})),
    ] {
        for body in [first, second] {
            let answer = post_stored(&device.client, path, &body).await;
            assert_eq!(answer.body, json!({"accepted": 1, "rejected": [], "stored": 1}));
        }
    }
    let latest = user.get(&format!("/devices/{}/latest", device.id)).await.expect(200).body;
    assert_eq!([&latest["reading"]["temperature"], &latest["reading"]["humidity"]], [&json!(20.0), &json!(55.0)]);
    assert_eq!([&latest["heartbeat"]["cpu_usage"], &latest["heartbeat"]["ram_usage"]], [&json!(1.0), &json!(2.0)]);
    for (kind, fields) in [("readings", ["temperature", "humidity"]), ("heartbeats", ["cpu_usage", "ram_usage"])] {
        for query in ["", "?aggregation=minute", "?aggregation=hour", "?aggregation=day", "?aggregation=auto"] {
            let path = format!("/devices/{}/{kind}{query}", device.id);
            let rows = user.get(&path).await.expect(200).body;
            assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
            assert!(fields.iter().all(|field| rows[0][field].is_number()), "{path}: {rows}");
            let csv = user.get_with(&path, "Accept", "text/csv").await.expect(200).text;
            assert_eq!(csv.lines().count(), 2, "{csv}");
        }
    }
    for query in ["", "?aggregation=hour", "?aggregation=day&group_by=server"] {
        let rows = user.get(&format!("/data{query}")).await.expect(200).body;
        assert_eq!([&rows[0]["temperature"], &rows[0]["humidity"]], [&json!(20.0), &json!(55.0)], "{rows}");
    }
    assert_eq!(pulso.database.count("SELECT count(*) FROM readings").await, 1);
    pulso.finish().await;
}

#[tokio::test]
async fn conflicts_are_named_by_their_place_in_the_request() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let devices = [user.new_device().await, user.new_device().await];
    let at = seconds_from_now(-60);
    let item = |device: usize, field: &str, value: Value| json!({"device_id": devices[device].id, "timestamp": at, field: value});
    for (body, stored, conflicting) in [
        // The worker orders by device; places are those of the request.
        (json!([item(1, "cpu", json!(1)), item(0, "cpu", json!(2)), item(1, "cpu", json!(3))]), 3, json!([2])),
        (json!([item(0, "cpu", json!(2)), item(1, "cpu", json!(1.0))]), 2, Value::Null),
        (
            json!([
                item(0, "cpu", json!(101)),
                item(1, "cpu", json!(2)),
                item(1, "ram", json!(5)),
                item(0, "cpu", json!(7))
            ]),
            3,
            json!([1, 3]),
        ),
        // New values, and one that another one was before.
        (
            json!([{"device_id": devices[0].id, "timestamp": at, "cpu": 9, "latency": 4, "connectivity": true}]),
            1,
            json!([0]),
        ),
        (
            json!([item(0, "latency", json!(4)), item(0, "connectivity", json!(1)), item(0, "cpu", json!(2))]),
            3,
            Value::Null,
        ),
        (json!([item(0, "connectivity", json!(0))]), 1, json!([0])),
        // An empty heartbeat is held by any row.
        (json!([{"device_id": devices[0].id, "timestamp": at}]), 1, Value::Null),
    ] {
        let answer = post_stored(&user, "/heartbeats", &body).await.body;
        assert_eq!((&answer["stored"], &answer["conflicting"]), (&json!(stored), &conflicting), "{body}: {answer}");
    }
    let confirmed = user.post("/heartbeats", &json!([item(0, "cpu", json!(50))])).await.expect(202).body;
    assert_eq!(confirmed, json!({"accepted": 1, "rejected": []}), "a confirm knows of no row");
    pulso.finish().await;
}

#[tokio::test]
async fn a_single_reading_is_answered_as_it_was_sent_or_as_it_is_stored() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let at = "2026-10-01T12:00:00Z";
    let sent = |mut body: Value| {
        body["timestamp"] = json!(at);
        body
    };
    let answer =
        post_stored(&device.client, "/data", &sent(json!({"temperature": 20, "metrics": {"a": 1}}))).await.body;
    let id = &device.id;
    assert_eq!(
        answer,
        json!({"server_ulid": id, "timestamp": at, "temperature": 20.0, "metrics": {"a": 1.0}, "stored": 1})
    );
    let second = sent(json!({"temperature": 21, "humidity": 55, "metrics": {"a": 1, "b": 2}}));
    let answer = post_stored(&device.client, "/data", &second).await.body;
    let row = json!({"server_ulid": id, "timestamp": at, "temperature": 20.0, "humidity": 55.0,
        "metrics": {"a": 1.0, "b": 2.0}, "stored": 1, "conflicting": [0]});
    assert_eq!(answer, row);
    let answer = device.client.post("/data", &second).await.expect(201).body;
    assert_eq!([&answer["temperature"], &answer["humidity"]], [&json!(21.0), &json!(55.0)], "as it was sent");
    let answer = post_stored(&device.client, "/telemetry", &sent(json!({"temperature": 22}))).await.body;
    assert_eq!(answer, json!({"status": "success", "accepted": 1, "stored": 1, "conflicting": [0]}));
    let answer = post_stored(&device.client, "/telemetry", &sent(json!({"cpu": 22}))).await.body;
    assert_eq!(answer, json!({"status": "success", "accepted": 1, "stored": 1}), "a heartbeat is another row");
    pulso.finish().await;
}

#[tokio::test]
async fn anothers_row_of_the_instant_is_not_the_commit_that_is_waited_for() {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let at = seconds_from_now(-60);
    let _ = post_stored(&device.client, "/readings", &json!({"timestamp": at, "temperature": 20})).await;
    pulso.worker.as_mut().unwrap().terminate().await;
    let both = json!([{"timestamp": at, "temperature": 20}, {"timestamp": at, "metrics": {"a": 1}}]);
    let answer = device.client.post("/readings?ack=stored&timeout_ms=300", &both).await.expect(202);
    assert_eq!(answer.body, json!({"accepted": 2, "rejected": []}));
    let known = json!({"timestamp": at, "temperature": 20});
    let _ = post_stored(&device.client, "/readings", &known).await;
    pulso.restart_worker().await;
    let answer = post_stored(&device.client, "/readings", &both).await.body;
    assert_eq!(answer, json!({"accepted": 2, "rejected": [], "stored": 2}));
    pulso.finish().await;
}
