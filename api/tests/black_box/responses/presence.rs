use pulso_testkit::eventually;
use serde_json::json;

use super::{Stage, Transcript};
use crate::presence::changed;

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let (online, _silent) = (user.new_device().await, user.new_device().await);
    let _ = online.client.post("/heartbeats?ack=stored", &json!({"cpu_usage": 1})).await.expect(200);
    let _ = changed(&user, &online, 1).await;
    let _ = shown.get(&user, &format!("/devices/{}/timeline", online.id)).await;
    let health = format!("/health/{}", online.id);
    eventually("online", async || (user.get(&health).await.body["status"] == "online").then_some(())).await;
    let _ = shown.get(&user, &health).await;
    let _ = shown.get(&user, "/health/all").await;
}
