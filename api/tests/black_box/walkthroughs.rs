//! The three walk-throughs of docs/architecture.md, each walked once from end to end.

use pulso_testkit::{Pulso, eventually};
use serde_json::json;

use crate::support::shop::Shop;

#[tokio::test]
async fn a_heartbeat_travels_from_the_socket_to_one_row() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let heartbeat = json!({"timestamp": "2024-03-10T10:00:00Z", "cpu": 41.5, "connectivity": true, "colour": "red"});

    let accepted = device.client.post("/heartbeats", &heartbeat).await.expect(202);
    assert_eq!(accepted.body["accepted"], 1);
    assert!(accepted.header("x-request-id").is_some());
    pulso.stored(1).await;
    // The same device and timestamp again, and again with other values: still one row, and the first values count.
    let _ = device.client.post("/heartbeats?ack=stored", &heartbeat).await.expect(200);
    let other = json!({"timestamp": "2024-03-10T10:00:00Z", "cpu": 99});
    let _ = device.client.post("/heartbeats?ack=stored", &other).await.expect(200);
    pulso.stored(1).await;

    let history = user.get(&format!("/devices/{}/heartbeats", device.id)).await.expect(200);
    assert_eq!(history.body.as_array().unwrap().len(), 1);
    assert_eq!((&history.body[0]["cpu_usage"], &history.body[0]["connectivity"]), (&json!(41.5), &json!(1)));
    let stranger = pulso.client.new_user().await;
    let _ = stranger.get(&format!("/devices/{}/heartbeats", device.id)).await.expect(404);
    pulso.finish().await;
}

#[tokio::test]
async fn a_chart_joins_rollups_with_raw_rows() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let reading = |minute: u32, temperature: f64| json!({"timestamp": format!("2024-03-10T10:{minute:02}:00Z"), "temperature": temperature});
    let _ = device.client.post("/readings", &json!([reading(0, 20.0), reading(30, 22.0)])).await.expect(202);
    pulso.stored(2).await;
    let rolled_up = "SELECT count(*) FROM readings_hourly";
    eventually("the hour is rolled up", async || (pulso.database.count(rolled_up).await == 1).then_some(())).await;

    let chart = format!("/devices/{}/readings?aggregation=hour&stat=avg", device.id);
    let before = user.get(&chart).await.expect(200);
    assert_eq!(before.body, json!([{"timestamp": "2024-03-10T10:00:00Z", "temperature": 21.0}]));
    let etag = before.header("etag").unwrap();
    assert_eq!(user.get_with(&chart, "If-None-Match", etag).await.status, 304);

    // A late row is in the very next answer, before its hour is rolled up again.
    let _ = device.client.post("/readings?ack=stored", &reading(45, 27.0)).await.expect(200);
    let after = user.get_with(&chart, "If-None-Match", etag).await.expect(200);
    assert_eq!(after.body, json!([{"timestamp": "2024-03-10T10:00:00Z", "temperature": 23.0}]));
    pulso.finish().await;
}

#[tokio::test]
async fn an_order_takes_stock_once_and_leaves_a_trace() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[(&lamp, 2)]).await;
    let order = async || {
        let request = buyer.request("POST".parse().unwrap(), "/orders").header("Idempotency-Key", "key-1");
        buyer.send(request.json(&json!({}))).await.expect(201)
    };

    let (made, again) = (order().await, order().await);
    assert_eq!(made.text, again.text, "the same response for the same key");
    assert_eq!(shop.stock(&lamp).await, 8);
    assert_eq!(buyer.get("/cart").await.body["items"], json!([]));
    let _ = buyer.get(made.header("location").unwrap()).await.expect(200);
    let audit = shop.admin.get("/admin/audit").await.expect(200);
    let created = audit.body.as_array().unwrap().iter().filter(|event| event["action"] == "order.created").count();
    assert_eq!(created, 1);
    shop.pulso.finish().await;
}
