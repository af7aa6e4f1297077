//! Accounts by name, and the first administrator.

use pulso_testkit::{Client, Options, Pulso};
use serde_json::json;

pub const PASSWORD: &str = "correct horse";

/// Registers an account of that name with [`PASSWORD`].
pub async fn register(client: &Client, username: &str) {
    let _ = client.post("/auth/register", &json!({"username": username, "password": PASSWORD})).await.expect(201);
}

/// The API's variables that make the account `root` with [`PASSWORD`] an administrator.
pub fn administrator() -> Vec<(&'static str, String)> {
    vec![("ADMIN_USERNAME", "root".to_owned()), ("ADMIN_PASSWORD", PASSWORD.to_owned())]
}

/// Signs in as the administrator.
pub async fn signed_in_administrator(client: &Client) -> Client {
    client.signed_in(&json!({"username": "root", "password": PASSWORD})).await
}

/// A Pulso and its administrator.
pub async fn start_with_administrator() -> (Pulso, Client) {
    let pulso = Pulso::start_with(Options { api: administrator(), ..Options::default() }).await;
    let administrator = signed_in_administrator(&pulso.client).await;
    (pulso, administrator)
}
