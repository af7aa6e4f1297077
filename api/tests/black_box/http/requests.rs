//! Probes, methods and request ids.

use pulso_testkit::{Options, Pulso, eventually};
use serde_json::json;

use crate::support::outages::redis_proxy;
use crate::support::start_api;

#[tokio::test]
async fn probes_say_what_is_up() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    assert_eq!(client.get("/livez").await.expect(200).text, "ok");
    let ready = client.get("/readyz").await.expect(200);
    assert_eq!(ready.body, json!({"ready": true, "database": "up", "broker": "up", "cache": "up"}));
    pulso.finish().await;
}

#[tokio::test]
async fn readyz_asked_by_a_crowd_asks_the_database_now_and_then() {
    let (proxy, redis_url) = redis_proxy().await;
    let options = Options { redis_url: Some(redis_url), without_worker: true, ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    proxy.cut();
    // Each time that it is asked in earnest, the log says that Redis is down.
    let ask = async || pulso.client.get("/readyz").await.expect(200).body["cache"] == "down";
    eventually("Redis is down", async || ask().await.then_some(())).await;
    for _ in 0..10 {
        let crowd = futures_util::future::join_all((0..50).map(|_| ask())).await;
        assert!(crowd.into_iter().all(|is_down| is_down));
    }
    let asked = pulso.api.count_logged("not ready");
    assert!((1..100).contains(&asked), "500 requests asked {asked} times");
    pulso.finish().await;
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    let user = client.new_user().await;
    let device = user.new_device().await;
    let device_path = format!("/devices/{}", device.id);
    for path in
        ["/livez", "/readyz", "/metrics", "/docs", "/api-docs/openapi.json", "/devices", "/users/me", &device_path]
    {
        let (head, get) = (user.ask("HEAD", path).await.expect(200), user.get(path).await.expect(200));
        assert_eq!(head.text, "", "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
    let _ = client.ask("HEAD", "/devices").await.expect(401);
    let _ = user.ask("HEAD", "/nowhere").await.expect(404);
    pulso.finish().await;
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_refused_with_those_it_has() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    let user = client.new_user().await;
    let device_path = format!("/devices/{}", user.new_device().await.id);
    for (method, path, allow) in [
        ("DELETE", "/devices", "GET, POST"),
        ("PUT", "/api/v1/devices/", "GET, POST"),
        ("POST", &device_path, "GET, PUT, PATCH, DELETE"),
        ("GET", "/auth/login", "POST"),
        ("POST", "/livez", "GET"),
        ("POST", "/docs/", "GET"),
        ("DELETE", "/health/all", "GET"),
        ("PATCH", "/servers", "GET, POST"),
    ] {
        let refused = user.ask(method, path).await.expect(405);
        assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_request_id_is_the_clients_own_or_made_for_it() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    // A short, printable request id is the client's own; anything else is replaced, and none is made.
    for (given, kept) in [("my-id.1", true), (&"x".repeat(64), true), (&"x".repeat(65), false), ("a b", false)] {
        let answer = client.get_with("/livez", "X-Request-Id", given).await.expect(200);
        assert_eq!(answer.header("x-request-id") == Some(given), kept, "{given}");
    }
    let answer = client.get("/nowhere").await.expect(404);
    assert_eq!(answer.header("x-request-id").map(str::len), Some(26));
    assert_eq!(answer.body["instance"].as_str(), answer.header("x-request-id"));
    pulso.finish().await;
}
