use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let user = stage.pulso.client.new_user().await;
    let device = user.new_device().await;
    let task = json!({"title": "Change the filter", "description": "The left one", "due_at": "2024-05-01T08:00:00Z",
        "device_id": device.id});
    let made = shown.post(&user, "/tasks", &task).await;
    let path = format!("/tasks/{}", made.body["id"].as_str().unwrap());
    let _ = shown.get(&user, &path).await;
    let _ = shown.patch(&user, &path, &json!({"status": "done"})).await;
    let _ = shown.put(&user, &path, &json!({"title": "Change both filters"})).await;
    let _ = shown.get(&user, "/tasks?status=pending").await;
    let _ = shown.delete(&user, &path).await;
}
