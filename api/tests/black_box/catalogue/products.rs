//! The catalogue: everybody looks, administrators decide.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::redaction::redacted;
use crate::support::shop::{Shop, each, product, put, text};

#[tokio::test]
async fn an_administrator_makes_changes_and_retires_a_product_and_all_can_see_it_until_then() {
    let shop = Shop::open().await;
    let (everybody, admin) = (&shop.pulso.client, &shop.admin);
    let described = product(json!({"title": " Gateway ", "category": "gateways", "sku": "GW-8", "is_device": true,
        "description": "Eight\nchannels", "image_url": "https://cdn.example.com/gw.webp"}));
    let made = admin.post("/products", &described).await.expect(201);
    let path = made.header("location").unwrap().to_owned();
    let seen = everybody.get(&path).await.expect(200);
    assert_eq!(seen.body, made.body);
    insta::assert_snapshot!(redacted(&made.body), @r#"
    {
      "category": "gateways",
      "created_at": "[time]",
      "currency": "EUR",
      "description": "Eight\nchannels",
      "id": "[ulid 1]",
      "image_url": "https://cdn.example.com/gw.webp",
      "is_device": true,
      "price_minor": 999,
      "sku": "GW-8",
      "stock": 10,
      "title": "Gateway",
      "updated_at": "[time]"
    }
    "#);
    let tag = seen.header("etag").unwrap().to_owned();
    let _ = everybody.get_with(&path, "If-None-Match", &tag).await.expect(304);
    let list = everybody.get("/products").await.expect(200);
    let _ = everybody.get_with("/products", "If-None-Match", list.header("etag").unwrap()).await.expect(304);

    let changed = admin.put(&path, &product(json!({"price_minor": 1250, "currency": "USD"}))).await.expect(200);
    assert_eq!((&changed.body["price_minor"], &changed.body["sku"]), (&json!(1250), &json!(null)), "left out: cleared");
    let stale = admin.request(Method::PUT, &path).header("If-Match", &tag).json(&product(json!({})));
    let _ = admin.send(stale).await.expect(412);
    let _ = everybody.get_with("/products", "If-None-Match", list.header("etag").unwrap()).await.expect(200);

    let _ = admin.delete(&path).await.expect(204);
    let _ = everybody.get(&path).await.expect(404);
    for method in ["DELETE", "GET"] {
        let _ = admin.ask(method, &path).await.expect(404);
    }
    let _ = admin.put(&path, &product(json!({}))).await.expect(404);
    assert_eq!(everybody.get("/products").await.expect(200).body, json!([]));
    let audit = admin.get(&format!("/admin/audit?subject_id={}", text(&made.body["id"]))).await.expect(200);
    assert_eq!(each(&audit, "action"), ["product.retired", "product.changed", "product.created"]);
    let change = (&audit.body[1]["before"]["price_minor"], &audit.body[1]["after"]["price_minor"]);
    assert_eq!(change, (&json!(999), &json!(1250)));
    shop.pulso.finish().await;
}

#[tokio::test]
async fn only_administrators_change_the_catalogue() {
    let shop = Shop::open().await;
    let id = shop.product(json!({})).await;
    let path = format!("/products/{id}");
    let (nobody, user) = (&shop.pulso.client, shop.pulso.client.new_user().await);
    for (client, status) in [(nobody, 401), (&user, 403)] {
        let _ = client.post("/products", &product(json!({}))).await.expect(status);
        let _ = client.post("/products/import", &json!({"products": []})).await.expect(status);
        let _ = client.put(&path, &product(json!({}))).await.expect(status);
        let _ = client.delete(&path).await.expect(status);
    }
    assert_eq!(shop.stock(&id).await, 10);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn what_cannot_be_a_product_is_refused_with_all_that_is_wrong() {
    let shop = Shop::open().await;
    let wrong = json!({"title": "", "price_minor": 9.99, "currency": "eur", "stock": -1, "image_url": "javascript:x",
        "is_device": "yes", "sku": 5});
    let faults = shop.admin.post("/products", &wrong).await.expect(422).faults();
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/currency", "/image_url", "/is_device", "/price_minor", "/sku", "/stock", "/title"]);
    for (field, value) in [
        ("price_minor", json!(-1)),
        ("price_minor", json!(10_000_000_001_i64)),
        ("price_minor", json!("999")),
        ("price_minor", json!(1e30)),
        ("currency", json!("XXX")),
        ("stock", json!(1_000_001)),
        ("title", json!("x".repeat(151))),
        ("title", json!("a\u{0}b")),
    ] {
        let faults = shop.admin.post("/products", &product(json!({field: value}))).await.expect(422).faults();
        assert_eq!(faults[0].0, format!("/{field}"), "{value}");
    }
    let _ = shop.product(json!({"sku": "A"})).await;
    let _ = shop.admin.post("/products", &product(json!({"sku": "A"}))).await.expect(409);
    let other = shop.product(json!({"sku": "B"})).await;
    let _ = shop.admin.put(&format!("/products/{other}"), &product(json!({"sku": "A"}))).await.expect(409);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_form_that_is_saved_restores_no_stock_that_was_sold_since_it_was_filled() {
    let shop = Shop::open().await;
    let lamp = shop.product(json!({})).await;
    let path = format!("/products/{lamp}");
    let form = shop.admin.get(&path).await.expect(200);
    let _ = shop.ordered(&[(&lamp, 3)]).await;
    let refused = shop.admin.put(&path, &product(json!({"title": "Lamp II"}))).await.expect(428);
    assert!(refused.body["detail"].as_str().unwrap().contains("If-Match"), "{}", refused.body);
    let with_tag = |tag: &str, values: Value| {
        let request = shop.admin.request(Method::PUT, &path).header("If-Match", tag).json(&values);
        shop.admin.send(request)
    };
    let _ = with_tag(form.header("etag").unwrap(), product(json!({}))).await.expect(412);
    assert_eq!(shop.stock(&lamp).await, 7);
    let renamed = shop.admin.put(&path, &product(json!({"title": "Lamp II", "stock": 7}))).await.expect(200);
    assert_eq!((&renamed.body["title"], &renamed.body["stock"]), (&json!("Lamp II"), &json!(7)));
    let counted = with_tag(renamed.header("etag").unwrap(), product(json!({"stock": 20}))).await.expect(200);
    assert_eq!(counted.body["stock"], 20);
    let _ = with_tag("*", product(json!({"stock": 2}))).await.expect(200);
    assert_eq!(shop.stock(&lamp).await, 2, "whoever says any version means it");
    shop.pulso.finish().await;
}

#[tokio::test]
async fn the_list_is_searched_filtered_and_paged_in_every_order() {
    let shop = Shop::open().await;
    let prices = [("Álamo", 300), ("beta", 100), ("Alpha", 200), ("beta", 100), ("100%_x", 100), ("gamma", 250)];
    for (title, price_minor) in prices {
        let category = if price_minor > 200 { "Lamps" } else { "sensors" };
        let _ = shop.product(json!({"title": title, "price_minor": price_minor, "category": category})).await;
    }
    let everybody = &shop.pulso.client;
    for (sort, field) in [("price", "price_minor"), ("-price", "price_minor"), ("name", "title"), ("newest", "id")] {
        let whole = everybody.get(&format!("/products?sort={sort}")).await.expect(200);
        let (mut paged, mut next) = (Vec::new(), Some(format!("/products?sort={sort}&limit=2")));
        while let Some(page) = next {
            let answer = everybody.get(&page).await.expect(200);
            assert!(answer.body.as_array().unwrap().len() <= 2);
            paged.extend(each(&answer, "id"));
            next = answer.next_page();
        }
        assert_eq!(paged, each(&whole, "id"), "{sort}: page by page as in one");
        assert_eq!(paged.len(), 6, "{sort}");
        if sort != "name" {
            let values = each(&whole, field);
            let key = |value: &Value| (value.as_i64(), value.as_str().map(str::to_owned));
            let mut sorted = values.clone();
            sorted.sort_by_key(key);
            if sort != "price" {
                sorted.reverse();
            }
            assert_eq!(values, sorted, "{sort}");
        }
    }
    // A price that changes between two pages neither hides nor repeats the others.
    let first = everybody.get("/products?sort=price&limit=3").await.expect(200);
    let moved = text(&first.body[2]["id"]);
    let _ = shop
        .admin
        .put(&format!("/products/{moved}"), &product(json!({"title": first.body[2]["title"], "price_minor": 9999})))
        .await
        .expect(200);
    let rest = everybody.get(&first.next_page().unwrap().replace("limit=3", "limit=10")).await.expect(200);
    assert_eq!(each(&rest, "price_minor"), [200, 250, 300, 9999]);

    let found =
        async |query: &str| each(&everybody.get(&format!("/products?{query}")).await.expect(200), "title").len();
    assert_eq!(
        (found("q=BETA").await, found("q=%25_").await, found("q=nothing").await, found("q=").await),
        (2, 1, 0, 6)
    );
    assert_eq!((found("category=lamps").await, found("category=lamp").await), (2, 0));
    assert_eq!(everybody.get("/data/products?sort=price").await.body, everybody.get("/products?sort=price").await.body);
    let categories = everybody.get("/products/categories").await.expect(200);
    assert_eq!(categories.body.as_array().unwrap().len(), 2);
    shop.pulso.finish().await;
}

#[tokio::test]
async fn a_bad_query_is_told_all_its_faults() {
    let shop = Shop::open().await;
    let everybody = &shop.pulso.client;
    let faults = everybody.get("/products?sort=cheap&limit=0&q=%00").await.expect(422).faults();
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/limit", "/q", "/sort"]);
    for _ in 0..2 {
        let _ = shop.product(json!({})).await;
    }
    let by_price = everybody.get("/products?sort=price&limit=1").await.expect(200).next_page().unwrap();
    let _ = everybody.get(&by_price.replace("sort=price", "sort=name")).await.expect(422);
    for bad in ["/products?cursor=x", "/products?cursor=%C3%A3", "/products/best-sellers?limit=0", "/products?limit=x"]
    {
        let _ = everybody.get(bad).await.expect(422);
    }
    for unknown in ["/products/x", "/products/01JD3ZK8M4T0Q2V6X9Y7B5C1RA"] {
        let _ = everybody.get(unknown).await.expect(404);
    }
    shop.pulso.finish().await;
}

#[tokio::test]
async fn best_sellers_are_counted_in_units_without_what_was_cancelled_or_retired() {
    let shop = Shop::open().await;
    let ids = [shop.product(json!({})).await, shop.product(json!({})).await, shop.product(json!({})).await];
    let [first, second, third] = [ids[0].as_str(), ids[1].as_str(), ids[2].as_str()];
    let _ = shop.ordered(&[(first, 2), (second, 3)]).await;
    let _ = shop.ordered(&[(first, 2), (third, 9)]).await;
    let (buyer, cancelled) = shop.ordered(&[(second, 5)]).await;
    let _ = buyer.ask("POST", &format!("{cancelled}/cancel")).await.expect(200);
    let _ = shop.admin.delete(&format!("/products/{third}")).await.expect(204);
    let best = shop.pulso.client.get("/products/best-sellers").await.expect(200);
    assert_eq!(each(&best, "id"), [first, second]);
    assert_eq!(each(&best, "units_ordered"), [4, 3]);
    let top = shop.pulso.client.get("/products/best-sellers?limit=1").await.expect(200);
    assert_eq!(each(&top, "id"), [first]);
    let _ = put(&buyer, third, json!(1)).await.expect(404);
    shop.pulso.finish().await;
}
