use serde_json::json;

use super::{Stage, Transcript};
use crate::support::accounts::PASSWORD;

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let client = &stage.pulso.client;
    let ana = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD, "full_name": "Ana Lima"});
    let _ = shown.post(client, "/auth/register", &ana).await;
    let ben = json!({"username": "ben", "email": "ben@example.com", "password": PASSWORD});
    let ben_path = shown.post(client, "/register", &ben).await;
    let ben_path = format!("/users/{}", ben_path.body["id"].as_str().unwrap());
    let _ = shown.get(&stage.administrator, "/users").await;
    let _ = shown.patch(&stage.administrator, &ben_path, &json!({"is_admin": true})).await;
    let ana = client.signed_in(&ana).await;
    let _ = shown.get(&ana, "/users/me").await;
    let _ = shown.patch(&ana, "/users/me", &json!({"full_name": null})).await;
    let leave = ana.request(reqwest::Method::DELETE, "/api/v1/users/me").json(&json!({"current_password": PASSWORD}));
    let _ = shown.send(&ana, leave).await;
}
