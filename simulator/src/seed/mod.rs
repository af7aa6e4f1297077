//! Demonstration data for every part: a catalogue, two users, their tasks, a cart. Idempotent.

use std::process::ExitCode;

use clap::Args;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::account::{Account, AccountArgs};
use crate::api_client::CallError;
use crate::failure::Failure;
use crate::screen::Screen;

/// 30 products, in the shape that `POST /products/import` takes.
const PRODUCTS: &str = include_str!("products.json");
/// The users and the titles of their tasks.
const USERS: [(&str, &[&str]); 2] = [
    (
        "demo-ana",
        &["Replace the battery of the door contact", "Calibrate hall B", "Order spare antennas", "Label boiler 3"],
    ),
    ("demo-bruno", &["Check why lamp 7 is silent", "Plan the gateway for the yard"]),
];

/// Settings of the demonstration's data.
#[derive(Debug, Clone, Args)]
pub struct SeedArgs {
    /// An administrator.
    #[command(flatten)]
    account: AccountArgs,
    /// Password of the two users that are made.
    #[arg(long, env = "DEMO_PASSWORD", hide_env_values = true)]
    demo_password: SecretString,
}

/// Makes what is missing.
pub async fn run(args: SeedArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let administrator = Account::sign_in(&args.account).await?;
    let products: Value = serde_json::from_str(PRODUCTS)?;
    post(&administrator, "/api/v1/products/import", &products).await?;
    for (username, tasks) in USERS {
        let login = AccountArgs {
            url: args.account.url.clone(),
            username: username.to_owned(),
            password: args.demo_password.clone(),
            sign_up: true,
        };
        add_demo_data(&Account::sign_in(&login).await?, tasks).await?;
    }
    let names = USERS.map(|(username, _)| username).join(" and ");
    screen.line(&format!("30 products; the users {names}, with tasks and a cart"));
    Ok(ExitCode::SUCCESS)
}

/// Gives a user tasks and a cart. A user with tasks has them from an earlier run, and may have done some.
async fn add_demo_data(user: &Account, tasks: &[&str]) -> Result<(), Failure> {
    if !get(user, "/api/v1/tasks?limit=1").await?.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let products = get(user, "/api/v1/products?q=gateway&limit=1").await?;
    if let Some(product) = products.pointer("/0/id").and_then(Value::as_str) {
        let address = user.client.address(&format!("/api/v1/cart/items/{product}"));
        let put = |http: &reqwest::Client| http.put(&address).bearer_auth(user.token()).json(&json!({"quantity": 2}));
        user.client.response(put).await?;
    }
    for title in tasks {
        post(user, "/api/v1/tasks", &json!({ "title": title })).await?;
    }
    Ok(())
}

async fn get(account: &Account, route: &str) -> Result<Value, CallError> {
    let address = account.client.address(route);
    account.client.call(|http| http.get(&address).bearer_auth(account.token())).await
}

async fn post(account: &Account, route: &str, body: &Value) -> Result<(), CallError> {
    let address = account.client.address(route);
    account.client.response(|http| http.post(&address).bearer_auth(account.token()).json(body)).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::PRODUCTS;

    #[test]
    fn there_are_thirty_products_each_with_an_id_of_its_own() {
        let products: Value = serde_json::from_str(PRODUCTS).unwrap();
        let ids: std::collections::BTreeSet<_> =
            products["products"].as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), 30);
    }
}
