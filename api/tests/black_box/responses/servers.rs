use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let made = shown.post(&user, "/servers", &json!({"server_name": "Dolly #1"})).await;
    let path = format!("/servers/{}", made.body["server_ulid"].as_str().unwrap());
    let _ = shown.get(&user, "/servers").await;
    let _ = shown.get(&user, &path).await;
    let _ = shown.delete(&user, &path).await;
}
