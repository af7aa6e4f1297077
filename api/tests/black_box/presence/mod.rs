//! Who is online, who is not, and since when.

mod outages;
mod status;
mod timeline;

use pulso_testkit::{Client, Device, Pulso, eventually};
use serde_json::{Value, json};

/// A device of `user` that may be silent for so long.
async fn device_with_timeout(user: &Client, offline_after_s: i64) -> Device {
    let device = user.new_device().await;
    let _ =
        user.patch(&format!("/devices/{}", device.id), &json!({"offline_after_s": offline_after_s})).await.expect(200);
    device
}

async fn heartbeat(device: &Device) {
    let _ = device.client.post("/heartbeats", &json!({})).await.expect(202);
}

/// A device's changes, oldest first: status and reason.
async fn changes(user: &Client, device: &Device) -> Vec<(String, String)> {
    let timeline = user.get(&format!("/devices/{}/timeline", device.id)).await.expect(200).body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = timeline["changes"].as_array().unwrap().iter().rev();
    changes.map(|change| (text(&change["status"]), text(&change["reason"]))).collect()
}

pub async fn changed(user: &Client, device: &Device, count: usize) -> Vec<(String, String)> {
    eventually(&format!("{count} changes"), async || {
        let changes = changes(user, device).await;
        (changes.len() >= count).then_some(changes)
    })
    .await
}

fn online() -> (String, String) {
    ("online".into(), "data".into())
}

fn offline(reason: &str) -> (String, String) {
    ("offline".into(), reason.into())
}

async fn status(user: &Client, device: &Device) -> Value {
    user.get(&format!("/health/{}", device.id)).await.expect(200).body["status"].clone()
}

/// Waits until the offline detector judges what is stored.
async fn detector_runs(pulso: &Pulso) {
    let fresh = "SELECT count(*) FROM ingest_availability() WHERE stored_through > now() - interval '2 seconds'";
    eventually("the offline detector runs", async || (pulso.database.count(fresh).await == 1).then_some(())).await;
}
