//! What is taken, for whom, and what it becomes.

use pulso_testkit::{Options, Pulso};
use serde_json::json;

use crate::support::time::seconds_from_now;

#[tokio::test]
async fn a_heartbeat_becomes_one_row_with_the_digits_it_was_sent_with() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let heartbeat = json!({"timestamp": seconds_from_now(-5), "cpu_usage": 41.3, "ram_usage": 0, "disk_free": 100,
        "temperature": -12.25, "latency": 0.1, "connectivity": 1, "boot_time": "2026-01-01T03:00:00+03:00"});
    let taken = device.client.post("/heartbeats", &heartbeat).await.expect(202);
    assert_eq!(taken.body, json!({"accepted": 1, "rejected": []}));
    pulso.stored(1).await;
    let row = &pulso
        .database
        .query(
            "SELECT cpu_usage, ram_usage, disk_free, temperature, latency, connectivity,
             boot_time = '2026-01-01T00:00:00Z', received_at >= ts FROM heartbeats",
            &[],
        )
        .await[0];
    let numbers: Vec<f64> = (0..5).map(|column| row.get(column)).collect();
    assert_eq!(numbers, [41.3, 0.0, 100.0, -12.25, 0.1]);
    assert!(row.get::<_, bool>(5) && row.get::<_, bool>(6) && row.get::<_, bool>(7));
    pulso.finish().await;
}

#[tokio::test]
async fn every_route_and_every_name_takes_the_same_reading() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let by = |name: &str| {
        json!({name: device.id, "cpuUsage": 1, "ramUsage": 2, "hd_space_remaining": 3, "dns_latency_ms": 4,
        "is_connected": false, "bootTime": "2026-01-01T00:00:00Z"})
    };
    for name in ["device_uuid", "device_id", "deviceId", "server_ulid"] {
        let _ = user.post("/api/v1/heartbeats", &by(name)).await.expect(202);
    }
    let path = format!("/devices/{}/heartbeats/", device.id.to_lowercase());
    let _ = user.post(&path, &json!([{"cpu": 1}, {"timestamp": seconds_from_now(-60)}])).await.expect(202);
    let uuid = user.get(&format!("/devices/{}", device.id)).await.body["uuid"].as_str().unwrap().to_uppercase();
    let _ = user.post(&format!("/devices/{uuid}/readings"), &json!({"voltage": 0})).await.expect(202);
    let _ = device.client.post("/readings", &json!([{"humidity": 50}])).await.expect(202);
    let telemetry = device.client.post("/telemetry", &json!({"cpu": 5})).await.expect(200);
    assert_eq!(telemetry.body, json!({"status": "success", "accepted": 1}));
    let data =
        device.client.post("/data", &json!({"temperature": 21.5, "humidity": null, "metrics": {"pm2.5": 7}})).await;
    let data = data.expect(201);
    assert_eq!((&data.body["server_ulid"], &data.body["temperature"]), (&json!(device.id), &json!(21.5)));
    assert!(data.body.get("humidity").is_none() && data.body["timestamp"].as_str().unwrap().ends_with('Z'));
    pulso.stored(10).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM readings").await, 3);
    pulso.finish().await;
}

#[tokio::test]
async fn a_repeated_reading_is_one_row_and_the_first_one_counts() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let timestamp = seconds_from_now(-10);
    for cpu in [10, 20, 30] {
        let body = json!({"timestamp": timestamp, "cpu": cpu});
        let _ = device.client.post("/heartbeats", &body).await.expect(202);
        pulso.stored(1).await;
    }
    let twice = json!([{"timestamp": timestamp, "cpu": 40}, {"timestamp": timestamp, "cpu": 50}, {"cpu": 60}]);
    let _ = device.client.post("/heartbeats", &twice).await.expect(202);
    pulso.stored(2).await;
    assert_eq!(pulso.database.count("SELECT min(cpu_usage)::bigint FROM heartbeats").await, 10);
    pulso.finish().await;
}

#[tokio::test]
async fn a_leap_second_is_the_second_after_it_and_one_row_with_it() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let leap =
        json!([{"timestamp": "2026-11-21T12:00:60Z", "cpu": 10}, {"timestamp": "2026-11-21T12:01:00Z", "cpu": 20}]);
    let stored = device.client.post("/heartbeats?ack=stored&timeout_ms=30000", &leap).await.expect(200);
    assert_eq!(stored.body["stored"], json!(2));
    pulso.stored(1).await;
    let body = json!({"device_id": device.id, "timestamp": "2026-11-21T23:59:60.5Z", "temperature": 20});
    let answer = user.post("/data", &body).await.expect(201);
    assert_eq!(answer.body["timestamp"], json!("2026-11-22T00:00:00.500Z"));
    let rows = format!("/devices/{}/heartbeats?start=2026-11-21T12:00:60Z&end=2026-11-21T12:00:60Z", device.id);
    assert_eq!(user.get(&rows).await.expect(200).body[0]["timestamp"], json!("2026-11-21T12:01:00Z"));
    pulso.stored(2).await;
    pulso.finish().await;
}

#[tokio::test]
async fn good_items_of_an_array_are_stored_and_bad_ones_are_named() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let stranger = pulso.client.new_user().await.new_device().await;
    let body = format!(
        r#"[{{"device_id": "{0}", "cpu": 1}}, {{"device_id": "{0}", "cpu": 1e400}}, {{"device_id": "{0}", "cpu": 101, "ram": "x"}},
            {{"device_id": "{1}", "cpu": 1}}, {{"device_id": "{0}", "timestamp": "\ud800"}}, {{"cpu": 1}}, 7, null,
            {{"device_id": "{0}", "timestamp": "1969-01-01T00:00:00Z"}}, {{"device_id": "{0}", "cpu": 2}}]"#,
        device.id, stranger.id
    );
    let answer = user.post_raw("/heartbeats", body).await.expect(202);
    assert_eq!(answer.body["accepted"], 2);
    let named: Vec<_> = answer.body["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|item| item["errors"].as_array().unwrap())
        .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("/1", "invalid"),
        ("/2/cpu", "out_of_range"),
        ("/2/ram", "wrong_type"),
        ("/3/device_id", "unknown_device"),
        ("/4", "invalid"),
        ("/5/device_id", "required"),
        ("/6", "invalid"),
        ("/7", "invalid"),
        ("/8/timestamp", "too_old"),
    ];
    assert_eq!(named, expected);
    pulso.stored(2).await;
    pulso.finish().await;
}

#[tokio::test]
async fn nobody_sends_for_a_device_that_is_not_theirs() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let (mine, theirs) = (user.new_device().await, other.new_device().await);
    let to = |id: &str| json!({"device_id": id, "cpu": 1});
    let status = async |answer: pulso_testkit::Answer| answer.status;
    assert_eq!(status(pulso.client.post("/heartbeats", &to(&mine.id)).await).await, 401);
    assert_eq!(status(pulso.client.post("/heartbeats", &json!({"cpu": 1})).await).await, 401);
    assert_eq!(status(pulso.client.with_token("nonsense").post("/heartbeats", &to(&mine.id)).await).await, 401);
    assert_eq!(status(user.post("/heartbeats", &to(&theirs.id)).await).await, 404);
    assert_eq!(status(mine.client.post("/heartbeats", &to(&theirs.id)).await).await, 403);
    assert_eq!(
        status(mine.client.post(&format!("/devices/{}/readings", theirs.id), &json!({"voltage": 1})).await).await,
        403
    );
    assert_eq!(status(user.post("/heartbeats", &to("01JD3ZK8M4T0Q2V6X9Y7B5C1RA")).await).await, 404);
    assert_eq!(status(user.post("/heartbeats", &json!({"device_sn": "123456789012"})).await).await, 404);
    assert_eq!(pulso.broker.depth("store").await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn a_server_takes_data_for_its_ulid_alone_unless_the_installation_forbids_it() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let server = user.post("/servers", &json!({"server_name": "Dolly #1"})).await.expect(201);
    let body =
        json!({"server_ulid": server.body["server_ulid"], "timestamp": "2024-02-19T12:34:56", "temperature": 25.5});
    let answer = pulso.client.post("/data", &body).await.expect(201);
    assert_eq!(answer.body["timestamp"], "2024-02-19T12:34:56Z");
    pulso.stored(1).await;
    pulso.finish().await;

    let options = Options { api: vec![("ALLOW_OPEN_INGEST", "false".into())], ..Options::default() };
    let closed = Pulso::start_with(options).await;
    let user = closed.client.new_user().await;
    let server = user.post("/servers", &json!({"server_name": "Dolly #1"})).await.expect(201);
    let body = json!({"server_ulid": server.body["server_ulid"], "temperature": 25.5});
    let _ = closed.client.post("/data", &body).await.expect(401);
    let _ = user.post("/data", &body).await.expect(201);
    closed.stored(1).await;
    closed.finish().await;
}
