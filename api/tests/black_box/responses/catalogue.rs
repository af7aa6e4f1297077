use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let (client, administrator) = (&stage.pulso.client, &stage.administrator);
    let gateway = json!({"title": "Gateway", "price_minor": 4900, "currency": "EUR", "stock": 10, "sku": "GW-8",
        "category": "gateways", "description": "Eight channels", "is_device": true,
        "image_url": "https://cdn.example.com/gw.webp"});
    let made = shown.post(administrator, "/products", &gateway).await;
    let path = format!("/products/{}", made.body["id"].as_str().unwrap());
    let _ = shown.get(client, &path).await;
    let dearer =
        json!({"title": "Gateway", "price_minor": 5900, "currency": "EUR", "stock": 10, "category": "gateways"});
    let _ = shown.put(administrator, &path, &dearer).await;
    let feed = json!({"products": [
        {"id": 1, "title": "Sensor", "price": 9.99, "stock": 99, "category": "sensors"},
        {"id": 2, "title": "", "price": 1, "stock": 1},
    ]});
    let _ = shown.post(administrator, "/products/import", &feed).await;
    let _ = shown.get(client, "/products?sort=name").await;
    let _ = shown.get(client, "/products/categories").await;

    let buyer = client.new_user().await;
    let _ = buyer.put(&format!("/cart/items/{}", path.trim_start_matches("/products/")), &json!({"quantity": 2})).await;
    let _ = buyer.post("/orders", &json!({})).await.expect(201);
    let _ = shown.get(client, "/products/best-sellers").await;
    let _ = shown.get(client, "/data/products?q=sensor").await;
    let _ = shown.delete(administrator, &path).await;
}
