//! Requests from any address, and what a 429 looks like.

use pulso_testkit::{Answer, Client, Options, Pulso};
use reqwest::Method;
use serde_json::json;

/// Behind a proxy that the API trusts, so that a test can come from any address.
pub async fn start(limits: &[(&'static str, u32)]) -> Pulso {
    start_with(limits, None).await
}

pub async fn start_with(limits: &[(&'static str, u32)], redis_url: Option<String>) -> Pulso {
    let mut api: Vec<_> = limits.iter().map(|(name, value)| (*name, value.to_string())).collect();
    api.push(("TRUSTED_PROXIES", "127.0.0.1, ::1".to_owned()));
    Pulso::start_with(Options { api, redis_url, without_worker: true, ..Options::default() }).await
}

pub async fn get_from(client: &Client, address: &str, path: &str) -> Answer {
    client.get_with(path, "X-Forwarded-For", address).await
}

pub async fn login_from(client: &Client, address: &str, username: &str, password: &str) -> Answer {
    let request = client.request(Method::POST, "/auth/login").header("X-Forwarded-For", address);
    client.send(request.json(&json!({"username": username, "password": password}))).await
}

/// Asserts that a response is a 429 of that limit and says so in every way there is.
pub fn is_refused_by(answer: &Answer, limit: &str) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!((&answer.body["limit"], &answer.body["title"]), (&json!(limit), &json!("Too many requests")));
    assert!(answer.body["detail"].as_str().unwrap().contains(limit));
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after >= 1);
    let all = |name: &str| {
        let values = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(", ")
    };
    assert!(all("ratelimit").contains(&format!("\"{limit}\";r=0;t={retry_after}")), "{}", all("ratelimit"));
    assert!(all("ratelimit-policy").contains(&format!("\"{limit}\";q=")), "{}", all("ratelimit-policy"));
}
