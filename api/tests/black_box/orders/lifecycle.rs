//! Orders: made, paid, shipped, delivered, cancelled; seen by whom they concern.

use serde_json::json;

use crate::support::redaction::redacted;
use crate::support::shop::{Shop, each, product, put, text};

#[tokio::test]
async fn an_order_freezes_prices_takes_stock_and_empties_the_cart() {
    let shop = Shop::open().await;
    let (lamp, pole) =
        (shop.product(json!({"sku": "L"})).await, shop.product(json!({"title": "Pole", "price_minor": 150})).await);
    let buyer = shop.buyer(&[(&lamp, 2), (&pole, 3)]).await;
    let made = buyer.post("/orders", &json!({"total_minor": 2448})).await.expect(201);
    insta::assert_snapshot!(redacted(&made.body), @r#"
    {
      "buyer_id": "[ulid 1]",
      "created_at": "[time]",
      "currency": "EUR",
      "history": [
        {
          "changed_at": "[time]",
          "changed_by": "buyer",
          "status": "pending"
        }
      ],
      "id": "[ulid 2]",
      "items": [
        {
          "is_device": false,
          "line_total_minor": 1998,
          "product_id": "[ulid 3]",
          "quantity": 2,
          "sku": "L",
          "title": "Lamp",
          "unit_price_minor": 999
        },
        {
          "is_device": false,
          "line_total_minor": 450,
          "product_id": "[ulid 4]",
          "quantity": 3,
          "sku": null,
          "title": "Pole",
          "unit_price_minor": 150
        }
      ],
      "status": "pending",
      "total_minor": 2448,
      "updated_at": "[time]"
    }
    "#);
    assert_eq!((shop.stock(&lamp).await, shop.stock(&pole).await), (json!(8), json!(7)));
    assert_eq!(buyer.get("/cart").await.body["items"], json!([]));
    let _ = buyer.post("/orders", &json!({})).await.expect(409);

    let changed = product(json!({"title": "Lamp II", "price_minor": 1, "currency": "USD"}));
    let _ = shop.replace(&lamp, &changed).await.expect(200);
    let _ = shop.admin.delete(&format!("/products/{pole}")).await.expect(204);
    let read = buyer.get(made.header("location").unwrap()).await.expect(200);
    assert_eq!((&read.body, read.header("etag")), (&made.body, made.header("etag")), "as it was sold");
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_price_that_changed_between_cart_and_order_is_told_where_the_buyer_named_a_total() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let buyer = shop.buyer(&[(&lamp, 2)]).await;
    let _ = shop.admin.put(&format!("/products/{lamp}"), &product(json!({"price_minor": 1500}))).await.expect(200);
    let refused = buyer.post("/orders", &json!({"total_minor": 1998})).await.expect(409);
    assert_eq!(refused.faults(), [("/total_minor".to_owned(), "changed".to_owned())]);
    assert_eq!(shop.stock(&lamp).await, 10);
    let _ = buyer.post("/orders", &json!({"total_minor": "3000"})).await.expect(422);
    let _ = buyer.post_raw("/orders", "[").await.expect(400);
    let made = buyer.ask("POST", "/orders").await.expect(201);
    assert_eq!(made.body["total_minor"], json!(3000), "today's price");
    shop.pulso.finish().await;
}

#[tokio::test]
async fn an_order_has_one_currency_and_a_bounded_number_of_devices() {
    let shop = Shop::open().await;
    let (euro, dollar) = (shop.product(json!({})).await, shop.product(json!({"currency": "USD"})).await);
    let buyer = shop.buyer(&[(&euro, 1), (&dollar, 1)]).await;
    let _ = buyer.post("/orders", &json!({})).await.expect(409);
    assert_eq!(
        (shop.stock(&euro).await, buyer.get("/cart").await.body["items"].as_array().unwrap().len()),
        (json!(10), 2)
    );
    let many = json!({"is_device": true, "stock": 9_000});
    let (one, two) = (shop.product(many.clone()).await, shop.product(many).await);
    let builder = shop.buyer(&[(&one, 9_000), (&two, 1_001)]).await;
    let _ = builder.post("/orders", &json!({})).await.expect(409);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn administrators_bring_an_order_to_the_buyer_step_by_step() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let (buyer, order) = shop.ordered(&[(&lamp, 1)]).await;
    let _ = buyer.patch(&order, &json!({"status": "paid"})).await.expect(403);
    for wrong in ["pending", "shipped", "delivered"] {
        let _ = shop.step(&order, wrong).await.expect(409);
    }
    for bad in [json!("lost"), json!(1), json!(null)] {
        let _ = shop.admin.patch(&order, &json!({"status": bad})).await.expect(422);
    }
    let before = buyer.get(&order).await.expect(200);
    for step in ["paid", "shipped", "delivered"] {
        let stepped = shop.step(&order, step).await.expect(200);
        assert_eq!(stepped.body["status"], json!(step));
        let _ = shop.step(&order, step).await.expect(409);
    }
    let _ = buyer.ask("POST", &format!("{order}/cancel")).await.expect(409);
    let stale = shop.admin.request(reqwest::Method::PATCH, &order).header("If-Match", before.header("etag").unwrap());
    let _ = shop.admin.send(stale.json(&json!({"status": "paid"}))).await.expect(412);

    let after = buyer.get(&order).await.expect(200);
    insta::assert_snapshot!(redacted(&after.body["history"]), @r#"
    [
      {
        "changed_at": "[time]",
        "changed_by": "buyer",
        "status": "pending"
      },
      {
        "changed_at": "[time]",
        "changed_by": "administrator",
        "status": "paid"
      },
      {
        "changed_at": "[time]",
        "changed_by": "administrator",
        "status": "shipped"
      },
      {
        "changed_at": "[time]",
        "changed_by": "administrator",
        "status": "delivered"
      }
    ]
    "#);
    let audit = shop.admin.get(&format!("/admin/audit?subject_id={}", text(&after.body["id"]))).await.expect(200);
    assert_eq!(each(&audit, "action")[..3], ["order.status_changed"; 3]);
    let last = (&audit.body[0]["before"], &audit.body[0]["after"]);
    assert_eq!(last, (&json!({"status": "shipped"}), &json!({"status": "delivered"})));
    let me = shop.admin.get("/users/me").await.body["id"].clone();
    assert_eq!((&audit.body[0]["actor_id"], &audit.body[3]["action"]), (&me, &json!("order.created")));
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_cancelled_order_gives_its_stock_back_once() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let (buyer, pending) = shop.ordered(&[(&lamp, 4)]).await;
    assert_eq!(shop.stock(&lamp).await, 6);
    let cancelled = buyer.ask("POST", &format!("{pending}/cancel")).await.expect(200);
    assert_eq!((&cancelled.body["status"], shop.stock(&lamp).await), (&json!("cancelled"), json!(10)));
    let _ = buyer.ask("POST", &format!("{pending}/cancel")).await.expect(409);
    for step in ["paid", "cancelled", "pending"] {
        let _ = shop.step(&pending, step).await.expect(409);
    }
    assert_eq!(shop.stock(&lamp).await, 10);
    let (_, paid) = shop.ordered(&[(&lamp, 4)]).await;
    let _ = shop.step(&paid, "paid").await.expect(200);
    let _ = shop.admin.ask("POST", &format!("{paid}/cancel")).await.expect(200);
    assert_eq!(shop.stock(&lamp).await, 10);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn an_order_is_its_buyers_and_the_administrators_and_nobody_elses() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let (buyer, order) = shop.ordered(&[(&lamp, 1)]).await;
    let (stranger, theirs) = shop.ordered(&[(&lamp, 1)]).await;
    let _ = stranger.get(&order).await.expect(404);
    let _ = stranger.ask("POST", &format!("{order}/cancel")).await.expect(404);
    for method in ["GET", "POST"] {
        let _ = shop.pulso.client.ask(method, "/orders").await.expect(401);
    }
    for unknown in ["/orders/x", "/orders/01JD3ZK8M4T0Q2V6X9Y7B5C1RA"] {
        let _ = shop.admin.get(unknown).await.expect(404);
    }
    let _ = shop.step("/orders/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "paid").await.expect(404);
    let _ = shop.admin.get(&order).await.expect(200);
    assert_eq!(each(&stranger.get("/orders").await.expect(200), "id"), [theirs.trim_start_matches("/orders/")]);
    assert_eq!(shop.admin.get("/orders").await.expect(200).body, json!([]));
    let _ = buyer.get("/orders?all=true").await.expect(403);
    let _ = buyer.get("/orders?status=lost").await.expect(422);

    let _ = put(&buyer, &lamp, json!(1)).await.expect(200);
    let _ = buyer.post("/orders", &json!({})).await.expect(201);
    let all = shop.admin.get("/orders?all=true").await.expect(200);
    assert_eq!(each(&all, "id").len(), 3);
    let first = buyer.get("/orders?limit=1").await.expect(200);
    let second = buyer.get(&first.next_page().unwrap()).await.expect(200);
    assert_eq!((each(&second, "id"), second.next_page()), (vec![json!(order.trim_start_matches("/orders/"))], None));
    let _ = shop.step(&order, "paid").await.expect(200);
    assert_eq!(each(&buyer.get("/orders?status=paid").await, "id").len(), 1);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn shipped_devices_are_registered_for_the_buyer_ready_to_claim() {
    let shop = Shop::open().await;
    let (lamp, sensor) =
        (shop.product(json!({})).await, shop.product(json!({"title": "Sensor", "is_device": true})).await);
    let gateway = shop.product(json!({"title": "Gateway", "is_device": true})).await;
    let (buyer, order) = shop.ordered(&[(&lamp, 2), (&sensor, 3), (&gateway, 1)]).await;
    let _ = shop.step(&order, "paid").await.expect(200);
    assert_eq!(buyer.get("/devices").await.body, json!([]), "not before it is shipped");
    let _ = shop.step(&order, "shipped").await.expect(200);
    let devices = buyer.get("/devices").await.expect(200);
    let mut names: Vec<_> = each(&devices, "name").iter().map(text).collect();
    names.sort();
    assert_eq!(names, ["Gateway", "Sensor 1", "Sensor 2", "Sensor 3"]);
    assert_eq!(shop.admin.get("/devices").await.body, json!([]), "the buyer's, not the administrator's");

    let id = text(&devices.body[0]["id"]);
    assert_eq!(buyer.get(&format!("/devices/{id}/credentials")).await.expect(200).body, json!([]));
    let claimed = buyer.post(&format!("/devices/{id}/credentials"), &json!({})).await.expect(201);
    let login = json!({"device_id": id, "secret": claimed.body["secret"]});
    let device = shop.pulso.client.with_token_of(&shop.pulso.client.post("/auth/device", &login).await.expect(200));
    let _ = device.post("/heartbeats", &json!({"cpu_usage": 1})).await.expect(202);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn an_account_with_orders_can_be_deleted_and_what_it_bought_stays_on_the_books() {
    let shop = Shop::open().await;
    let (lamp, sensor) = (shop.product(json!({})).await, shop.product(json!({"is_device": true})).await);
    let (buyer, order) = shop.ordered(&[(&lamp, 1), (&sensor, 1)]).await;
    let _ = put(&buyer, &lamp, json!(1)).await.expect(200);
    let _ = buyer.delete_own_account().await.expect(204);
    let kept = shop.admin.get(&order).await.expect(200);
    assert_eq!((&kept.body["buyer_id"], &kept.body["total_minor"]), (&json!(null), &json!(1998)));
    for (table, rows) in [("carts", 0), ("cart_items", 0), ("orders", 1), ("order_items", 2)] {
        assert_eq!(shop.pulso.database.count(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
    let _ = shop.step(&order, "paid").await.expect(200);
    let _ = shop.step(&order, "shipped").await.expect(409);
    assert_eq!(shop.step(&order, "cancelled").await.expect(200).body["status"], json!("cancelled"));
    assert_eq!(shop.stock(&lamp).await, 10);
    shop.pulso.finish().await;
}
