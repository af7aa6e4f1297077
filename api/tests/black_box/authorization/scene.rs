//! What the owner has, how requests name it, and how it looks to whoever may see it.

use std::sync::atomic::{AtomicI64, Ordering};

use pulso_shared::ids::Ulid;
use pulso_testkit::{Answer, Client};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::callers::Callers;
use super::table::Row;
use crate::support::accounts::PASSWORD;
use crate::support::time::seconds_from_now;

/// Part of the name of everything that the owner has: nobody else is to read it.
const PRIVATE: &str = "seen by the owner alone";
/// The owner's entry in the cache.
const KEY: &str = "the-owners-key";

/// The owner's things.
pub struct Scene {
    /// The words that rows have in angle brackets, and what they stand for.
    words: Vec<(&'static str, String)>,
    /// Each timestamp is used once: every heartbeat that is taken is a row of its own.
    instants: AtomicI64,
}

impl Scene {
    pub async fn set(callers: &Callers, root: &Client) -> Self {
        let (owner, device) = (&callers.owner.client, &callers.device.id);
        let _ = owner.patch(&format!("/devices/{device}"), &json!({"name": PRIVATE})).await.expect(200);
        let credentials = format!("/devices/{device}/credentials");
        let credential = owner.post(&credentials, &json!({"grace_s": 86_400})).await.expect(201);
        let server = owner.post("/servers", &json!({"server_name": PRIVATE})).await.expect(201);
        let task = owner.post("/tasks", &json!({"title": PRIVATE})).await.expect(201);
        let _ = owner.post("/cache/set", &json!({"key": KEY, "value": PRIVATE})).await.expect(201);
        let product = json!({"title": "Lamp", "price_minor": 999, "currency": "EUR", "stock": 100});
        let product = text(&root.post("/products", &product).await.expect(201).body["id"]);
        let item = format!("/cart/items/{product}");
        let _ = owner.put(&item, &json!({"quantity": 2})).await.expect(200);
        let order = owner.post("/orders", &json!({})).await.expect(201);
        let _ = owner.put(&item, &json!({"quantity": 3})).await.expect(200);
        let words = vec![
            ("device", device.clone()),
            ("secret", callers.device.secret.clone()),
            ("credential", text(&credential.body["credential_id"])),
            ("server", text(&server.body["server_ulid"])),
            ("task", text(&task.body["id"])),
            ("order", text(&order.body["id"])),
            ("user", callers.owner.id.clone()),
            ("username", callers.owner.username.clone()),
            ("password", PASSWORD.to_owned()),
            ("product", product),
            ("key", KEY.to_owned()),
            ("letter", Ulid::generate().to_string()),
        ];
        Self { words, instants: AtomicI64::new(0) }
    }

    fn word(&self, name: &str) -> &str {
        self.words.iter().find(|(known, _)| *known == name).map(|(_, stands_for)| stands_for).unwrap()
    }

    /// Where a row's request goes: method, path without the prefix, and query.
    pub fn address(&self, row: &Row) -> (Method, String, String) {
        let (method, path) = row.operation.split_once(' ').unwrap();
        let query = if row.sent.starts_with('?') { self.filled(row.sent, false) } else { String::new() };
        (method.parse().unwrap(), self.filled(&named(path), false), query)
    }

    /// Sends a row's request. `unknown`: for a thing that nobody has, in the place of the owner's.
    pub async fn send(&self, row: &Row, caller: &Client, callers: &Callers, unknown: bool) -> Answer {
        let (method, path) = row.operation.split_once(' ').unwrap();
        let mut sent = row.sent.to_owned();
        if sent.contains("<refresh>") {
            let session = callers.owner.sign_in(&callers.nobody).await;
            sent = sent.replace("<refresh>", session.body["refresh_token"].as_str().unwrap());
        }
        let (path, sent) = (self.filled(&format!("/api/v1{}", named(path)), unknown), self.filled(&sent, unknown));
        let (query, body) = if sent.starts_with('?') { (sent, String::new()) } else { (String::new(), sent) };
        let mut request = caller.request(method.parse().unwrap(), &format!("{path}{query}"));
        if !body.is_empty() {
            let content_type = if body.starts_with('{') { "application/json" } else { "text/csv" };
            request = request.header(CONTENT_TYPE, content_type).body(body);
        }
        if row.operation == "PUT /products/{id}" {
            // Orders have taken from the stock: only who says so may set it.
            request = request.header("If-Match", "*");
        }
        caller.send(request).await
    }

    fn filled(&self, text: &str, unknown: bool) -> String {
        let mut filled = text.to_owned();
        for (name, stands_for) in &self.words {
            let is_thing = !["username", "password", "secret"].contains(name);
            let stands_for = if unknown && is_thing { Ulid::generate().to_string() } else { stands_for.clone() };
            filled = filled.replace(&format!("<{name}>"), &stands_for);
        }
        let instant = seconds_from_now(-3_600 - self.instants.fetch_add(1, Ordering::Relaxed));
        filled.replace("<fresh>", &Ulid::generate().to_string()).replace("<instant>", &instant)
    }

    /// What has to be there before a caller who may do this can.
    pub async fn prepare(&mut self, row: &Row, caller: &Client, owner: &Client) {
        let item = format!("/cart/items/{}", self.word("product"));
        match row.operation {
            "POST /orders" | "DELETE /cart/items/{id}" => {
                let _ = caller.put(&item, &json!({"quantity": 1})).await.expect(200);
            }
            // An order is called off once.
            "POST /orders/{id}/cancel" => {
                let _ = owner.put(&item, &json!({"quantity": 1})).await.expect(200);
                let order = owner.post("/orders", &json!({})).await.expect(201);
                self.words.retain(|(name, _)| *name != "order");
                self.words.push(("order", text(&order.body["id"])));
            }
            _ => {}
        }
    }

    /// Everything of the owner's, and what administrators see, as it is now.
    pub async fn view(&self, owner: &Client, administrator: &Client) -> Vec<(String, Value)> {
        let (device, order) = (self.word("device"), self.word("order"));
        let of_owner = [
            "/users/me".to_owned(),
            "/devices".to_owned(),
            "/devices/export".to_owned(),
            format!("/devices/{device}/credentials"),
            format!("/devices/{device}/heartbeats"),
            format!("/devices/{device}/readings"),
            format!("/devices/{device}/latest"),
            "/servers".to_owned(),
            "/tasks".to_owned(),
            format!("/cache/get/{KEY}"),
            "/cart".to_owned(),
            "/orders".to_owned(),
            format!("/orders/{order}"),
        ];
        let of_administrators = ["/users", "/products", "/admin/audit", "/admin/dead-letters", "/cart", "/devices"];
        let mut seen = Vec::new();
        for path in of_owner {
            let mut body = owner.get(&path).await.expect(200).body;
            // How long the entry will still be there.
            body.as_object_mut().and_then(|fields| fields.remove("ttl_s"));
            seen.push((path, body));
        }
        for path in of_administrators {
            seen.push((format!("{path} for administrators"), administrator.get(path).await.expect(200).body));
        }
        seen
    }

    /// What an answer tells of the owner's things.
    pub fn told_by(&self, answer: &Answer) -> Option<&str> {
        let ids = ["device", "credential", "server", "task", "order", "user", "username", "secret"];
        let private = ids.iter().map(|name| self.word(name)).chain([PRIVATE, KEY]);
        private.into_iter().find(|word| answer.text.contains(word))
    }
}

/// The path with the owner's thing in the place of the document's `{id}`.
fn named(path: &str) -> String {
    let thing = match path.split('/').nth(1) {
        Some("devices") => "<device>",
        Some("servers" | "health") => "<server>",
        Some("tasks") => "<task>",
        Some("orders") => "<order>",
        Some("products" | "cart") => "<product>",
        Some("users") => "<user>",
        _ => "<letter>",
    };
    path.replace("{id}", thing).replace("{credential_id}", "<credential>").replace("{key}", "<key>")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
