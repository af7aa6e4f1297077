use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let (online, _silent) = (user.new_device().await, user.new_device().await);
    let _ = online.client.post("/heartbeats?ack=stored", &json!({"cpu_usage": 1})).await.expect(200);
    let _ = shown.get(&user, "/fleet/summary").await;
}
