use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let device = user.new_device().await;
    let at = |second: u32| format!("2024-03-10T12:00:{second:02}Z");
    let array = json!([{"timestamp": at(0), "cpu_usage": 41.3}, {"timestamp": at(1), "cpu_usage": 101}]);
    let _ = shown.post(&device.client, "/heartbeats?ack=stored", &array).await;
    let _ = shown.post(&device.client, "/readings", &json!({"timestamp": at(2), "temperature": 21.5})).await;
    let _ = shown.post(&device.client, "/telemetry", &json!({"timestamp": at(3), "cpu_usage": 12})).await;
    let path = format!("/devices/{}", device.id);
    let _ = shown.post(&user, &format!("{path}/heartbeats"), &json!({"timestamp": at(4), "latency": 3.2})).await;
    let _ = shown.post(&user, &format!("{path}/readings"), &json!({"timestamp": at(5), "voltage": 230})).await;
    let data = json!({"server_ulid": device.id, "timestamp": at(6), "temperature": 21.5, "metrics": {"pm2.5": 7}});
    let _ = shown.post(&user, "/data", &data).await;
}
