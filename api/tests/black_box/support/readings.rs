//! Readings of two hours for the tests of history, aggregation and export.

use pulso_testkit::{Client, Device, Pulso, eventually};
use serde_json::{Value, json};

pub fn at(time: &str) -> String {
    format!("2024-03-10T{time}Z")
}

/// Readings of two hours, with what is easily lost: zero, nothing at all, the last instant of an hour.
pub async fn send_readings(device: &Device) {
    let body = json!([
        {"timestamp": at("10:00:00"), "temperature": 20, "voltage": 0, "metrics": {"pm2.5": 7}},
        {"timestamp": at("10:00:59.999999"), "temperature": 22, "metrics": {"pm2.5": 1e308}},
        {"timestamp": at("10:30:00"), "temperature": 27, "humidity": 50, "metrics": {"pm2.5": 1e308}},
        {"timestamp": at("11:59:59.999999"), "temperature": -10.5, "metrics": {"o/3": 1}},
    ]);
    let _ = device.client.post("/readings", &body).await.expect(202);
}

/// Two devices of one person with these readings, stored and rolled up.
pub async fn two_rolled_up_devices(pulso: &Pulso) -> (Client, Device, Device) {
    let user = pulso.client.new_user().await;
    let (one, two) = (user.new_device().await, user.new_device().await);
    send_readings(&one).await;
    send_readings(&two).await;
    pulso.stored(8).await;
    rolled_up(pulso).await;
    (user, one, two)
}

/// Waits until no answer needs the raw rows of these hours any more.
pub async fn rolled_up(pulso: &Pulso) {
    let open = "SELECT (SELECT count(*) FROM dirty_buckets) + count(*) FROM rollup_watermarks
                WHERE rolled_until < now() - interval '2 hours' OR rolled_until < closed_until";
    eventually("all is rolled up", async || (pulso.database.count(open).await == 0).then_some(())).await;
}

pub async fn points(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).body
}
