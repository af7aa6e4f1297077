//! The cart: one a user, priced as of today.

use serde_json::json;

use crate::support::redaction::redacted;
use crate::support::shop::{Shop, product, put};

#[tokio::test]
async fn a_cart_is_filled_changed_and_emptied_and_is_nobody_elses() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let gateway =
        shop.product(json!({"title": "Gateway", "price_minor": 5000, "currency": "USD", "is_device": true})).await;
    let (buyer, other) = (shop.buyer(&[]).await, shop.buyer(&[(&lamp, 1)]).await);
    assert_eq!(buyer.get("/cart").await.expect(200).body, json!({"items": [], "totals": [], "can_be_ordered": false}));

    let _ = put(&buyer, &lamp, json!(2)).await.expect(200);
    let cart = put(&buyer, &gateway.to_lowercase(), json!(1)).await.expect(200);
    assert_eq!(cart.body, buyer.get("/cart").await.expect(200).body);
    insta::assert_snapshot!(redacted(&cart.body), @r#"
    {
      "can_be_ordered": false,
      "items": [
        {
          "availability": "available",
          "currency": "EUR",
          "image_url": null,
          "is_device": false,
          "line_total_minor": 1998,
          "product_id": "[ulid 1]",
          "quantity": 2,
          "stock": 10,
          "title": "Lamp",
          "unit_price_minor": 999
        },
        {
          "availability": "available",
          "currency": "USD",
          "image_url": null,
          "is_device": true,
          "line_total_minor": 5000,
          "product_id": "[ulid 2]",
          "quantity": 1,
          "stock": 10,
          "title": "Gateway",
          "unit_price_minor": 5000
        }
      ],
      "totals": [
        {
          "currency": "EUR",
          "total_minor": 1998
        },
        {
          "currency": "USD",
          "total_minor": 5000
        }
      ]
    }
    "#);

    // The number is the whole, not in addition.
    let cart = put(&buyer, &lamp, json!(3)).await.expect(200);
    assert_eq!((&cart.body["items"][0]["quantity"], cart.body["items"].as_array().unwrap().len()), (&json!(3), 2));
    let _ = buyer.delete(&format!("/cart/items/{gateway}")).await.expect(204);
    let _ = buyer.delete(&format!("/cart/items/{gateway}")).await.expect(404);
    assert_eq!(buyer.get("/cart").await.body["can_be_ordered"], json!(true));
    let _ = buyer.delete("/cart").await.expect(204);
    let _ = buyer.delete("/cart").await.expect(204);
    assert_eq!(buyer.get("/cart").await.body["items"], json!([]));
    assert_eq!(other.get("/cart").await.body["items"][0]["quantity"], json!(1), "somebody else's");
    for method in ["GET", "DELETE"] {
        let _ = shop.pulso.client.ask(method, "/cart").await.expect(401);
    }
    let device = buyer.new_device().await;
    let _ = device.client.get("/cart").await.expect(403);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_quantity_that_cannot_be_is_refused_and_leaves_the_cart_as_it_was() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[(&lamp, 10)]).await;
    for bad in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(10_001),
        json!(1e30),
        json!(i64::MAX),
        json!("2"),
        json!(null),
        json!(true),
    ] {
        let faults = put(&buyer, &lamp, bad.clone()).await.expect(422).faults();
        assert_eq!(faults[0].0, "/quantity", "{bad}");
    }
    let beyond = put(&buyer, &lamp, json!(11)).await.expect(409);
    assert_eq!(beyond.faults(), [("/quantity".to_owned(), "insufficient_stock".to_owned())]);
    for unknown in ["x", "01JD3ZK8M4T0Q2V6X9Y7B5C1RA"] {
        let _ = put(&buyer, unknown, json!(1)).await.expect(404);
    }
    assert_eq!(buyer.get("/cart").await.body["items"][0]["quantity"], json!(10));
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_cart_shows_todays_prices_and_what_can_no_longer_be_had() {
    let shop = Shop::open().await;
    let (lamp, gone) = (shop.product(json!({})).await, shop.product(json!({})).await);
    let buyer = shop.buyer(&[(&lamp, 5), (&gone, 1)]).await;
    let changed = product(json!({"price_minor": 1000, "stock": 4}));
    let _ = shop.replace(&lamp, &changed).await.expect(200);
    let _ = shop.admin.delete(&format!("/products/{gone}")).await.expect(204);
    let cart = buyer.get("/cart").await.expect(200).body;
    let states = (&cart["items"][0]["availability"], &cart["items"][1]["availability"]);
    assert_eq!(states, (&json!("insufficient_stock"), &json!("retired")));
    assert_eq!(cart["totals"], json!([{"currency": "EUR", "total_minor": 5000}]), "without the retired one");

    let refused = buyer.post("/orders", &json!({})).await.expect(409);
    let expected = [(lamp.as_str(), "insufficient_stock"), (gone.as_str(), "retired")];
    assert_eq!(
        refused.faults(),
        expected.map(|(id, code)| (format!("/items/{id}"), code.to_owned())),
        "all of it at once"
    );
    assert_eq!(shop.stock(&lamp).await, 4);
    let _ = put(&buyer, &lamp, json!(4)).await.expect(200);
    let _ = buyer.delete(&format!("/cart/items/{gone}")).await.expect(204);
    let _ = buyer.post("/orders", &json!({})).await.expect(201);
    shop.pulso.finish().await;
}
