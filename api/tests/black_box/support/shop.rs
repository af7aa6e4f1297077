//! What the tests of catalogue, cart and orders have in common: an administrator, products, carts.

use pulso_testkit::{Answer, Client, Pulso};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::accounts::{administrator, signed_in_administrator};
use crate::support::start_api;

/// A Pulso with an administrator.
pub struct Shop {
    pub pulso: Pulso,
    pub admin: Client,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(Vec::new()).await
    }

    /// With further variables of the API.
    pub async fn open_with(api: Vec<(&'static str, String)>) -> Self {
        let api = api.into_iter().chain(administrator()).collect();
        let pulso = start_api(api).await;
        let admin = signed_in_administrator(&pulso.client).await;
        Self { pulso, admin }
    }

    /// A product at 9.99 of which there are 10, but for what `other` says; its id.
    pub async fn product(&self, other: Value) -> String {
        let made = self.admin.post("/products", &product(other)).await.expect(201);
        text(&made.body["id"])
    }

    /// The product as it is now.
    pub async fn stock(&self, id: &str) -> Value {
        self.pulso.client.get(&format!("/products/{id}")).await.expect(200).body["stock"].clone()
    }

    /// Describes the product anew, as it is now being known.
    pub async fn replace(&self, id: &str, values: &Value) -> Answer {
        let path = format!("/products/{id}");
        let tag = self.admin.get(&path).await.expect(200).header("etag").unwrap().to_owned();
        self.admin.send(self.admin.request(Method::PUT, &path).header("If-Match", tag).json(values)).await
    }

    /// A new user with so many of each in the cart.
    pub async fn buyer(&self, wanted: &[(&str, i32)]) -> Client {
        let buyer = self.pulso.client.new_user().await;
        for (id, quantity) in wanted {
            let _ = put(&buyer, id, json!(quantity)).await.expect(200);
        }
        buyer
    }

    /// A new user's order of so many of each; its path.
    pub async fn ordered(&self, wanted: &[(&str, i32)]) -> (Client, String) {
        let buyer = self.buyer(wanted).await;
        let order = buyer.post("/orders", &json!({})).await.expect(201);
        (buyer, format!("/orders/{}", text(&order.body["id"])))
    }

    /// An administrator's next step of an order.
    pub async fn step(&self, order: &str, status: &str) -> Answer {
        self.admin.patch(order, &json!({"status": status})).await
    }
}

/// A lamp at 9.99 of which there are 10, but for what `other` says.
pub fn product(other: Value) -> Value {
    let mut product = json!({"title": "Lamp", "price_minor": 999, "currency": "EUR", "stock": 10});
    product.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    product
}

/// Puts so many of a product into a cart.
pub async fn put(buyer: &Client, product: &str, quantity: Value) -> Answer {
    buyer.put(&format!("/cart/items/{product}"), &json!({"quantity": quantity})).await
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A field of every element of a list.
pub fn each(answer: &Answer, field: &str) -> Vec<Value> {
    answer.body.as_array().unwrap().iter().map(|element| element[field].clone()).collect()
}
