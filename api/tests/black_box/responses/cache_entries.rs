use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let entry = json!({"key": "layout", "value": {"columns": 3}, "ttl_s": 3600});
    let _ = shown.post(&user, "/cache/set", &entry).await;
    let _ = shown.get(&user, "/cache/get/layout").await;
    let _ = shown.delete(&user, "/cache/layout").await;
}
