use serde_json::json;

use super::{Stage, Transcript};
use crate::support::shop::{product, text};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let lamp = stage.administrator.post("/products", &product(json!({}))).await.expect(201);
    let item = format!("/cart/items/{}", text(&lamp.body["id"]));
    let buyer = stage.pulso.client.new_user().await;
    let _ = shown.put(&buyer, &item, &json!({"quantity": 2})).await;
    let _ = shown.get(&buyer, "/cart").await;
    let _ = shown.delete(&buyer, &item).await;
    let _ = shown.delete(&buyer, "/cart").await;
}
