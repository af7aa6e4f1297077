use reqwest::Method;
use serde_json::json;

use super::transcript::request;
use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let client = &stage.pulso.client;
    let user = client.new_user().await;
    let boiler = json!({"name": "Boiler", "location": "Hall 3", "sn": "000123456789", "description": "the old one"});
    let made = shown.post(&user, "/devices", &boiler).await;
    let id = &made.body["id"];
    let path = format!("/devices/{}", id.as_str().unwrap());
    let secret = json!({"device_id": id, "secret": made.body["credential"]["secret"]});
    let device = client.with_token_of(&shown.post(client, "/auth/device", &secret).await);
    let heartbeat = json!({"timestamp": "2024-03-10T12:00:00Z", "cpu_usage": 41.3, "connectivity": true});
    let _ = device.post("/heartbeats?ack=stored", &heartbeat).await.expect(200);
    let _ = shown.get(&user, &path).await;
    let _ = shown.patch(&user, &path, &json!({"location": "Hall 4", "offline_after_s": 60})).await;
    let _ = shown.put(&user, &path, &json!({"name": "Boiler", "sn": "000123456789"})).await;

    let credentials = format!("{path}/credentials");
    let second = shown.post(&user, &credentials, &json!({"grace_s": 3600})).await;
    let _ = shown.get(&user, &credentials).await;
    let second = second.body["credential_id"].as_str().unwrap();
    let _ = shown.delete(&user, &format!("{credentials}/{second}")).await;

    let sheet = "name,location,sn\nPump 1,Hall 3,000000000001\nPump 2,,\n";
    let import = request(&user, Method::POST, "/devices/import").header("Content-Type", "text/csv").body(sheet);
    let _ = shown.send(&user, import).await;
    let _ = shown.get(&user, "/devices/export").await;
    let _ = shown.delete(&user, &path).await;
    let _ = shown.get(&user, "/devices?q=pump&limit=1").await;
}
