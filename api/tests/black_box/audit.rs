//! The audit log.

use std::collections::BTreeSet;

use pulso_testkit::{Client, Options, Pulso, eventually};
use serde_json::{Value, json};

use crate::support::accounts::{PASSWORD, administrator, signed_in_administrator};
use crate::support::shop::{Shop, product, text};

#[tokio::test]
async fn administrators_alone_read_the_audit_log_filtered_and_in_pages() {
    let shop = Shop::open().await;
    let _ = shop.product(json!({})).await;
    let user = shop.pulso.client.new_user().await;
    for (client, status) in [(&shop.pulso.client, 401), (&user, 403)] {
        let _ = client.get("/admin/audit").await.expect(status);
    }
    let _ = shop.admin.get("/admin/audit?actor_id=x&subject_id=y").await.expect(422);
    let first = shop.admin.get("/admin/audit?limit=1&action=product.created").await.expect(200);
    assert_eq!((first.body.as_array().unwrap().len(), first.next_page()), (1, None));
    shop.pulso.finish().await;
}

/// What administrators alone can change, as the document says: a new operation of theirs needs an event, and a line in
/// the test below.
async fn administrators_operations(client: &Client) -> BTreeSet<String> {
    let document = client.get("/api-docs/openapi.json").await.expect(200).body;
    let mut found = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let words = format!("{} {}", operation["summary"], operation["description"]);
            if method != "get" && words.contains("For administrators") {
                found.insert(format!("{method} {}", path.trim_start_matches("/api/v1")));
            }
        }
    }
    found
}

/// The newest event of that kind.
async fn newest(admin: &Client, action: &str) -> Value {
    admin.get(&format!("/admin/audit?action={action}&limit=1")).await.expect(200).body[0].clone()
}

async fn dead_letter(pulso: &Pulso, admin: &Client) -> String {
    pulso.broker.publish("pulso.telemetry.v9", b"[]").await;
    eventually("a dead letter", async || {
        let letters = admin.get("/admin/dead-letters").await.expect(200).body;
        letters[0]["id"].as_str().map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn every_act_of_an_administrator_leaves_an_event_that_names_them() {
    let pulso = Pulso::start_with(Options { api: administrator(), ..Options::default() }).await;
    let admin = signed_in_administrator(&pulso.client).await;
    let me = text(&admin.get("/users/me").await.expect(200).body["id"]);
    let created = newest(&admin, "user.created").await;
    assert_eq!((&created["actor_id"], &created["subject_id"]), (&json!(me), &json!(me)));
    let ana = json!({"username": "ana", "password": PASSWORD});
    let ana_id = text(&pulso.client.post("/auth/register", &ana).await.expect(201).body["id"]);

    let mut done = BTreeSet::new();
    let mut check = async |operation: &str, action: &str, subject: &str| {
        let event = newest(&admin, action).await;
        assert_eq!((&event["actor_id"], &event["subject_id"]), (&json!(me), &json!(subject)), "{operation}: {event}");
        done.insert(operation.to_owned());
        event
    };
    for (change, changed) in [
        (json!({"username": "bea", "full_name": "Bea"}), json!(["username", "full_name"])),
        (json!({"password": "another horse"}), json!(["password"])),
        (json!({"is_admin": true}), json!(["is_admin"])),
        (json!({"is_admin": false}), json!(["is_admin"])),
    ] {
        let _ = admin.patch(&format!("/users/{ana_id}"), &change).await.expect(200);
        let event = check("patch /users/{id}", "user.changed", &ana_id).await;
        assert_eq!(event["after"]["changed"], changed);
        for secret in ["another horse", "$2", "bea", "Bea"] {
            assert!(!event.to_string().contains(secret), "{event}");
        }
    }
    let _ = admin.patch("/users/me", &json!({"full_name": "Root"})).await.expect(200);
    check("own account", "user.changed", &me).await;

    let made = text(&admin.post("/products", &product(json!({}))).await.expect(201).body["id"]);
    check("post /products", "product.created", &made).await;
    let _ = admin.put(&format!("/products/{made}"), &product(json!({"price_minor": 3}))).await.expect(200);
    check("put /products/{id}", "product.changed", &made).await;
    let order = pulso.client.new_user().await;
    let _ = order.put(&format!("/cart/items/{made}"), &json!({"quantity": 1})).await.expect(200);
    let order = text(&order.post("/orders", &json!({})).await.expect(201).body["id"]);
    let _ = admin.patch(&format!("/orders/{order}"), &json!({"status": "paid"})).await.expect(200);
    check("patch /orders/{id}", "order.status_changed", &order).await;
    let _ = admin.post(&format!("/orders/{order}/cancel"), &json!({})).await.expect(200);
    check("an order cancelled", "order.status_changed", &order).await;
    let _ = admin.delete(&format!("/products/{made}")).await.expect(204);
    check("delete /products/{id}", "product.retired", &made).await;
    let feed = json!({"products": [{"id": 1, "title": "Lamp", "price": 9.99, "stock": 1}]});
    let _ = admin.post("/products/import", &feed).await.expect(200);
    let imported = text(&admin.get("/products?sort=newest&limit=1").await.expect(200).body[0]["id"]);
    check("post /products/import", "product.imported", &imported).await;

    let letter = dead_letter(&pulso, &admin).await;
    let _ = admin.post("/admin/dead-letters/replay", &json!({"ids": [letter]})).await.expect(200);
    check("post /admin/dead-letters/replay", "dead_letter.replayed", &letter).await;
    let letter = dead_letter(&pulso, &admin).await;
    let _ = admin.post("/admin/dead-letters/replay", &json!({})).await.expect(200);
    let all = check("post /admin/dead-letters/replay", "dead_letter.replayed", &me).await;
    assert_eq!(all["after"]["all"], true, "not {letter} alone");
    let letter = dead_letter(&pulso, &admin).await;
    let _ = admin.delete(&format!("/admin/dead-letters/{letter}")).await.expect(204);
    check("delete /admin/dead-letters/{id}", "dead_letter.deleted", &letter).await;
    let _ = admin.delete(&format!("/admin/dead-letters/{letter}")).await.expect(404);

    let unaudited: Vec<_> = administrators_operations(&pulso.client)
        .await
        .into_iter()
        .filter(|operation| !done.contains(operation))
        .collect();
    assert!(unaudited.is_empty(), "without an event: {unaudited:?}");
    // What was put back could not be stored again.
    let left = eventually("two letters are back", async || {
        let letters = admin.get("/admin/dead-letters").await.expect(200).body.as_array().unwrap().clone();
        (letters.len() == 2).then_some(letters)
    })
    .await;
    for letter in left {
        let _ = admin.delete(&format!("/admin/dead-letters/{}", text(&letter["id"]))).await.expect(204);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn an_account_that_is_deleted_leaves_an_event_without_its_names() {
    let shop = Shop::open().await;
    let _ =
        shop.pulso.client.post("/auth/register", &json!({"username": "ana", "password": PASSWORD})).await.expect(201);
    let user = shop.pulso.client.signed_in(&json!({"username": "ana", "password": PASSWORD})).await;
    let id = text(&user.get("/users/me").await.expect(200).body["id"]);
    let _ = user.delete_own_account().await.expect(204);
    let event = newest(&shop.admin, "user.deleted").await;
    assert_eq!((&event["actor_id"], &event["subject_id"]), (&json!(id), &json!(id)));
    assert!(!event.to_string().contains("ana\""), "{event}");
    shop.pulso.finish().await;
}
