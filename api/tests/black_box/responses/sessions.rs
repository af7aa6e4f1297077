use reqwest::Method;
use serde_json::json;

use super::transcript::request;
use super::{Stage, Transcript};
use crate::support::accounts::{PASSWORD, register};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let client = &stage.pulso.client;
    register(client, "carla").await;
    let by_password = json!({"username": "carla", "password": PASSWORD});
    let tokens = shown.post(client, "/auth/login", &by_password).await;
    let refresh_token = json!({"refresh_token": tokens.body["refresh_token"]});
    let tokens = shown.post(client, "/auth/refresh", &refresh_token).await;
    let carla = client.with_token_of(&tokens);
    let _ = shown.send(&carla, request(&carla, Method::POST, "/auth/logout")).await;
    let by_form = request(client, Method::POST, "/login").form(&[("username", "carla"), ("password", PASSWORD)]);
    let _ = shown.send(client, by_form).await;
}
