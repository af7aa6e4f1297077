//! What holds of every operation of the OpenAPI document alike: addresses, methods, bodies, pages, versions. The requests are
//! those of the authorization matrix, sent by whoever may.

mod addresses;
mod bodies;
mod caching;
mod lists;
mod versions;

use pulso_testkit::{Client, Pulso};
use serde_json::Value;

use crate::authorization::callers::Callers;
use crate::authorization::scene::Scene;
use crate::authorization::table::{OK, ROWS, Row};

/// One Pulso, everybody who calls, and what the owner has.
struct Stage {
    pulso: Pulso,
    callers: Callers,
    scene: Scene,
    document: Value,
}

impl Stage {
    async fn set() -> Self {
        let (pulso, callers, scene) = crate::authorization::start().await;
        let document = pulso.client.get("/api-docs/openapi.json").await.expect(200).body;
        Self { pulso, callers, scene, document }
    }

    /// What the document says of a row's operation.
    fn documented(&self, row: &Row) -> &Value {
        let (method, path) = row.operation.split_once(' ').unwrap();
        &self.document["paths"][format!("/api/v1{path}")][method.to_lowercase()]
    }

    /// Whoever may do this: the owner, or else an administrator.
    fn allowed(&self, row: &Row) -> &Client {
        if row.answers[2] == OK { &self.callers.owner.client } else { &self.callers.administrator.client }
    }

    /// The owner's things and what administrators see, as it is now.
    async fn view(&self) -> Vec<(String, Value)> {
        self.scene.view(&self.callers.owner.client, &self.callers.administrator.client).await
    }

    /// The rows whose operation the document describes so.
    fn rows(&self, wanted: impl Fn(&Value) -> bool) -> Vec<&'static Row> {
        ROWS.iter().filter(|row| wanted(self.documented(row))).collect()
    }
}

/// The names of an operation's query parameters.
fn parameters(operation: &Value) -> Vec<&str> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(|parameter| parameter["in"] == "query").filter_map(|parameter| parameter["name"].as_str()).collect()
}
