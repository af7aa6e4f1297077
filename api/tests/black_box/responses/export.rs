use super::{Stage, Transcript};
use crate::support::readings::send_readings;

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    for device in [user.new_device().await, user.new_device().await] {
        send_readings(&device).await;
        let last = serde_json::json!({"timestamp": "2024-03-10T12:00:00Z", "humidity": 40});
        let _ = device.client.post("/readings?ack=stored", &last).await.expect(200);
    }
    let _ = shown.get(&user, "/data?aggregation=day&group_by=server").await;
}
