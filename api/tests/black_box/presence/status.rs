//! Who is there.

use chrono::DateTime;
use pulso_testkit::{Pulso, eventually};
use serde_json::{Value, json};

use crate::support::time::seconds_from_now;

#[tokio::test]
async fn a_device_is_online_while_its_newest_data_is_fresh_enough_for_it() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let server = user.post("/servers", &json!({"server_name": "Dolly #1"})).await.expect(201);
    let server = server.body["server_ulid"].as_str().unwrap();
    let (fresh, stale, early, silent) =
        (user.new_device().await, user.new_device().await, user.new_device().await, user.new_device().await);
    let health = async |id: &str| user.get(&format!("/health/{id}")).await.expect(200).body;
    assert_eq!(
        health(server).await,
        json!({"server_ulid": server, "server_name": "Dolly #1", "status": "offline", "last_seen_at": null})
    );

    let body = json!({"server_ulid": server, "timestamp": seconds_from_now(-60), "temperature": 25.5});
    let _ = pulso.client.post("/data", &body).await.expect(201);
    let two_minutes_ago = seconds_from_now(-120);
    let _ = fresh.client.post("/heartbeats", &json!({"timestamp": two_minutes_ago})).await.expect(202);
    let _ = stale.client.post("/heartbeats", &json!({"timestamp": seconds_from_now(-181)})).await.expect(202);
    let _ = early.client.post("/heartbeats", &json!({"timestamp": seconds_from_now(240)})).await.expect(202);
    pulso.stored(4).await;
    // Of an older reading that comes later nobody concludes that the device has gone.
    let _ =
        fresh.client.post("/readings", &json!({"timestamp": seconds_from_now(-7_200), "voltage": 1})).await.expect(202);
    pulso.stored(5).await;

    let statuses = async || {
        let all = user.get("/health/all").await.expect(200).body;
        let statuses = all.as_array().unwrap().iter().map(|device| device["status"].as_str().unwrap() == "online");
        (statuses.collect::<Vec<_>>(), all)
    };
    let (online, all) = statuses().await;
    assert_eq!(online, [false, true, false, true, false], "{all}");
    for (number, id) in [server, &fresh.id, &stale.id, &early.id, &silent.id].into_iter().enumerate() {
        assert_eq!(all[number], health(&id.to_lowercase()).await, "{id}");
    }
    let instant = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    let seen = instant(&all[1]["last_seen_at"]);
    assert_eq!(seen.timestamp_micros(), DateTime::parse_from_rfc3339(&two_minutes_ago).unwrap().timestamp_micros());
    // A clock that runs ahead keeps nobody online: our receipt is what counts.
    assert!(instant(&all[3]["last_seen_at"]) <= pulso_shared::clock::Clock::system().now());

    // The limit is each device's own.
    let _ = user.patch(&format!("/devices/{server}"), &json!({"offline_after_s": 3_600})).await.expect(200);
    let _ = user.patch(&format!("/devices/{}", fresh.id), &json!({"offline_after_s": 60})).await.expect(200);
    assert_eq!(statuses().await.0, [true, false, false, true, false]);
    let listed = user.get("/devices?status=online").await.expect(200).body;
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|device| &device["id"]).collect();
    assert_eq!(listed, [&json!(server), &json!(early.id)]);

    // And time alone makes a device offline.
    let _ = user.patch(&format!("/devices/{}", silent.id), &json!({"offline_after_s": 5})).await.expect(200);
    let _ = silent.client.post("/heartbeats", &json!({})).await.expect(202);
    pulso.stored(6).await;
    eventually("it counts as gone", async || (health(&silent.id).await["status"] == "offline").then_some(())).await;
    assert!(health(&silent.id).await["last_seen_at"].is_string());

    let _ = pulso.client.get("/health/all").await.expect(401);
    assert_eq!(pulso.client.new_user().await.get("/health/all").await.expect(200).body, json!([]));
    pulso.finish().await;
}
