use reqwest::Method;
use serde_json::json;

use super::transcript::request;
use super::{Stage, Transcript};
use crate::support::shop::{product, put, text};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let lamp = stage.administrator.post("/products", &product(json!({"sku": "L-1"}))).await.expect(201);
    let buyer = stage.pulso.client.new_user().await;
    let _ = put(&buyer, &text(&lamp.body["id"]), json!(2)).await.expect(200);
    let order = request(&buyer, Method::POST, "/orders").header("Idempotency-Key", "order-1");
    let made = shown.send(&buyer, order.json(&json!({"total_minor": 1998}))).await;
    let path = format!("/orders/{}", text(&made.body["id"]));
    let _ = shown.patch(&stage.administrator, &path, &json!({"status": "paid"})).await;
    let _ = shown.get(&buyer, &path).await;
    let _ = shown.send(&buyer, request(&buyer, Method::POST, &format!("{path}/cancel"))).await;
    let _ = shown.get(&buyer, "/orders").await;
}
