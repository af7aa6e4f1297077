//! Orders when many want the same at once: nothing sold twice, nothing given back twice, no request answered twice
//! differently.

use std::sync::Arc;

use pulso_testkit::{Answer, Client};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::shop::{Shop, put};

/// Sends one request from each client at the same moment. A 503 promises nothing: it is sent again.
async fn at_once(requests: Vec<(Client, Method, String, Option<&'static str>)>) -> Vec<Answer> {
    let (barrier, mut running) = (Arc::new(Barrier::new(requests.len())), JoinSet::new());
    for (client, method, path, key) in requests {
        let barrier = barrier.clone();
        running.spawn(async move {
            barrier.wait().await;
            loop {
                let request = client.request(method.clone(), &path);
                let request = match (key, &method) {
                    (_, &Method::PATCH) => request.json(&json!({"status": "shipped"})),
                    (_, &Method::DELETE) => request.json(&json!({"current_password": "correct horse"})),
                    (Some(key), _) => request.header("Idempotency-Key", key),
                    (None, _) => request,
                };
                let answer = client.send(request).await;
                if answer.status != 503 {
                    return answer;
                }
            }
        });
    }
    running.join_all().await
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn fifty_buyers_race_for_the_last_ten_and_ten_get_one() {
    let shop = Shop::open_with(vec![("DATABASE_POOL_SIZE", "16".to_owned())]).await;
    let (lamp, pole) = (shop.product(json!({})).await, shop.product(json!({"stock": 1000})).await);
    let mut requests = Vec::new();
    for number in 0..50 {
        // In either order: whoever locks products in the order of the cart would wait in a circle.
        let wanted = if number % 2 == 0 { [(lamp.as_str(), 1), (&pole, 1)] } else { [(pole.as_str(), 1), (&lamp, 1)] };
        requests.push((shop.buyer(&wanted).await, Method::POST, "/orders".to_owned(), None));
    }
    let answers = at_once(requests).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (10, 40));
    assert_eq!((shop.stock(&lamp).await, shop.stock(&pole).await), (json!(0), json!(990)));
    let sold = "SELECT sum(quantity)::bigint FROM order_items WHERE product_id = (SELECT min(product_id::text)::uuid FROM order_items)";
    assert_eq!(shop.pulso.database.count(sold).await, 10);
    assert_eq!(shop.pulso.database.count("SELECT count(*) FROM orders").await, 10);
    // Whoever got none keeps the cart as it was.
    assert_eq!(shop.pulso.database.count("SELECT count(*) FROM cart_items").await, 80);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_also_when_they_race() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[(&lamp, 2)]).await;
    let request = (buyer.clone(), Method::POST, "/orders".to_owned(), Some("key-1"));
    let answers = at_once(vec![request; 8]).await;
    assert_eq!(count(&answers, 201), 8);
    assert!(answers.iter().all(|answer| answer.text == answers[0].text), "to the letter");
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(
        (shop.stock(&lamp).await, shop.pulso.database.count("SELECT count(*) FROM orders").await),
        (json!(8), 1)
    );

    // Later, when the order has gone on and the cart is full again: still the first answer, and nothing ordered.
    let order = format!("/orders/{}", answers[0].body["id"].as_str().unwrap());
    let _ = shop.step(&order, "paid").await.expect(200);
    let _ = put(&buyer, &lamp, json!(1)).await.expect(200);
    let keyed = |client: &Client, key: &str, body: &'static str| {
        let request = client.request(Method::POST, "/orders").header("Idempotency-Key", key);
        request.header("Content-Type", "application/json").body(body)
    };
    let replayed = buyer.send(keyed(&buyer, "key-1", "")).await.expect(201);
    assert_eq!((&replayed.text, replayed.header("location")), (&answers[0].text, answers[0].header("location")));
    let _ = buyer.send(keyed(&buyer, "key-1", "{}")).await.expect(201);
    let other = buyer.send(keyed(&buyer, "key-1", r#"{"total_minor": 999}"#)).await.expect(422);
    assert_eq!(other.faults(), [("/Idempotency-Key".to_owned(), "reused".to_owned())]);
    let _ = buyer.send(keyed(&buyer, &"x".repeat(256), "{}")).await.expect(422);
    // Another key is another order; another user's key is another's.
    let _ = buyer.send(keyed(&buyer, "key-2", "{}")).await.expect(201);
    let stranger = shop.buyer(&[(&lamp, 1)]).await;
    let _ = stranger.send(keyed(&stranger, "key-1", "{}")).await.expect(201);
    assert_eq!(shop.stock(&lamp).await, 6);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_request_that_failed_leaves_no_key() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[]).await;
    let order = async || buyer.send(buyer.request(Method::POST, "/orders").header("Idempotency-Key", "k")).await;
    let _ = order().await.expect(409);
    let _ = put(&buyer, &lamp, json!(1)).await.expect(200);
    let _ = order().await.expect(201);
    // A key is known for two days.
    shop.pulso.database.execute("UPDATE order_keys SET created_at = now() - interval '47 hours'").await;
    let _ = order().await.expect(201);
    shop.pulso.database.execute("UPDATE order_keys SET created_at = now() - interval '49 hours'").await;
    let _ = order().await.expect(409);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn one_cart_is_ordered_once_however_often_it_is_sent_without_a_key() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[(&lamp, 3)]).await;
    let answers = at_once(vec![(buyer, Method::POST, "/orders".to_owned(), None); 6]).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 5));
    assert_eq!(shop.stock(&lamp).await, 7);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn cancelling_twice_at_once_gives_the_stock_back_once() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let (buyer, order) = shop.ordered(&[(&lamp, 4)]).await;
    let request = |client: &Client| (client.clone(), Method::POST, format!("{order}/cancel"), None);
    let answers = at_once(vec![request(&buyer), request(&shop.admin), request(&buyer), request(&shop.admin)]).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 3));
    assert_eq!(shop.stock(&lamp).await, 10);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn of_cancelling_and_shipping_at_once_one_wins_wholly() {
    let shop = Shop::open().await;
    let sensor = shop.product(json!({"is_device": true, "stock": 100})).await;
    for _ in 0..6 {
        let before = shop.stock(&sensor).await.as_i64().unwrap();
        let (buyer, order) = shop.ordered(&[(&sensor, 2)]).await;
        let _ = shop.step(&order, "paid").await.expect(200);
        let cancel = (buyer.clone(), Method::POST, format!("{order}/cancel"), None);
        let ship = (shop.admin.clone(), Method::PATCH, order.clone(), None);
        let answers = at_once(vec![cancel, ship]).await;
        assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 1));
        let status = buyer.get(&order).await.body["status"].clone();
        let devices = buyer.get("/devices").await.body.as_array().unwrap().len();
        let left = shop.stock(&sensor).await.as_i64().unwrap();
        let expected = if status == "shipped" { (before - 2, 2) } else { (before, 0) };
        assert_eq!((left, devices), expected, "{status}");
    }
    shop.pulso.finish().await;
}

#[tokio::test]
async fn an_account_deleted_while_its_order_is_shipped_never_leaves_half_of_either() {
    let shop = Shop::open().await;
    let sensor = shop.product(json!({"is_device": true, "stock": 100})).await;
    for _ in 0..6 {
        let (buyer, order) = shop.ordered(&[(&sensor, 2)]).await;
        let _ = shop.step(&order, "paid").await.expect(200);
        let leave = (buyer, Method::DELETE, "/users/me".to_owned(), None);
        let ship = (shop.admin.clone(), Method::PATCH, order.clone(), None);
        let answers = at_once(vec![leave, ship]).await;
        assert_eq!(count(&answers, 204), 1, "the account is gone: {answers:?}");
        let status = shop.admin.get(&order).await.expect(200).body["status"].clone();
        assert!(status == "shipped" || status == "paid", "{status}");
        assert_eq!(count(&answers, 200) == 1, status == "shipped");
        // What was registered before it went is deleted by the workers.
        let orphans = "SELECT count(*) FROM devices WHERE owner_id NOT IN (SELECT id FROM users)
                       AND owner_id NOT IN (SELECT owner_id FROM account_purges)";
        assert_eq!(shop.pulso.database.count(orphans).await, 0);
    }
    shop.pulso.finish().await;
}
