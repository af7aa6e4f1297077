use serde_json::json;

use super::{Stage, Transcript};
use crate::support::readings::send_readings;

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let device = user.new_device().await;
    send_readings(&device).await;
    let heartbeat = json!({"timestamp": "2024-03-10T12:00:00Z", "cpu_usage": 41.3, "ram_usage": 50, "disk_free": 80,
        "latency": 3.2, "connectivity": true, "boot_time": "2024-03-01T00:00:00Z"});
    let _ = device.client.post("/heartbeats?ack=stored", &heartbeat).await.expect(200);
    let path = format!("/devices/{}", device.id);
    let _ = shown.get(&user, &format!("{path}/heartbeats?limit=1")).await;
    let _ = shown.get(&user, &format!("{path}/readings?aggregation=hour&stat=max")).await;
    let _ = shown.get(&device.client, &format!("{path}/latest")).await;
}
