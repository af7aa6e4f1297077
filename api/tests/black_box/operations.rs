//! What those who run Pulso and those who write clients look at.

use pulso_testkit::{Answer, Client, Options, Pulso, eventually};
use reqwest::Method;
use serde_json::json;

fn holds_all(metrics: &Answer, names: &[&str]) {
    for name in names {
        assert!(metrics.text.lines().any(|line| line.starts_with(name)), "{name} is not in {}", metrics.text);
    }
}

#[tokio::test]
async fn a_request_id_leads_from_the_client_to_the_workers_log_and_everything_is_counted() {
    let trace = vec![("RUST_LOG", "info,pulso_worker=trace".to_owned())];
    let mut pulso = Pulso::start_with(Options { worker: trace, without_worker: true, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    let (kept, deleted) = (user.new_device().await, user.new_device().await);
    let send = async |client: &Client, id: &str| {
        let request = client.request(Method::POST, "/heartbeats").header("X-Request-Id", id).json(&json!({"cpu": 1}));
        let answer = client.send(request).await.expect(202);
        assert_eq!(answer.header("x-request-id"), Some(id));
    };
    send(&kept.client, "follow-me-1").await;
    send(&deleted.client, "follow-me-2").await;
    let _ = kept.client.post("/heartbeats", &json!({"cpu": 101})).await.expect(422);
    let _ = user.delete(&format!("/devices/{}", deleted.id)).await.expect(204);
    pulso.restart_worker().await;
    pulso.stored(1).await;
    let worker = pulso.worker.as_mut().unwrap();
    assert_eq!(worker.logged("heartbeat stored", "request_id").await, "follow-me-1");
    assert_eq!(worker.logged("heartbeat stored", "device_id").await, kept.id);
    assert_eq!(worker.logged("reading dead-lettered", "request_id").await, "follow-me-2");
    assert_eq!(worker.logged("reading dead-lettered", "level").await, "WARN");
    let dead = eventually("the dead letter", async || pulso.broker.take_dead_letter().await).await;
    assert!(dead.body.contains("follow-me-2"));

    let metrics = pulso.client.get("/metrics").await.expect(200);
    holds_all(
        &metrics,
        &[
            "pulso_ingest_accepted_total 2",
            "pulso_ingest_messages_total",
            "pulso_ingest_rejected_total{reason=\"out_of_range\"} 1",
            "pulso_publish_latency_seconds",
            "pulso_publish_batch_size",
            "pulso_http_responses_total{class=\"2xx\"}",
            "pulso_http_responses_total{class=\"4xx\"} 1",
        ],
    );
    let operations = Client::new(format!("http://{}", worker.logged("health and metrics", "address").await));
    for path in ["/livez", "/readyz"] {
        let _ = operations.get(path).await.expect(200);
    }
    holds_all(
        &operations.get("/metrics").await.expect(200),
        &[
            "pulso_stored_total 1",
            "pulso_duplicates_total 0",
            "pulso_store_batches_total",
            "pulso_store_batch_size",
            "pulso_commit_latency_seconds",
            "pulso_store_retries_total",
            "pulso_queue_lag_seconds",
            "pulso_queue_depth_messages",
            "pulso_dead_letters_total{reason=\"device_gone\"} 1",
        ],
    );
    pulso.finish().await;
}

#[tokio::test]
async fn pages_probes_and_headers_are_what_tools_expect() {
    let pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let client = &pulso.client;
    assert_eq!(client.get("/livez").await.expect(200).text, "ok");
    let ready = client.get("/readyz").await.expect(200);
    assert_eq!(ready.body, json!({"ready": true, "database": "up", "broker": "up", "cache": "up"}));
    for page in ["/docs", "/docs/", "/redoc", "/redoc/"] {
        let answer = client.get(page).await.expect(200);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{page}");
        assert!(!answer.text.contains("http"), "{page} loads something from elsewhere");
    }
    let document = client.get("/api-docs/openapi.json").await.expect(200);
    assert!(document.body["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document.body["paths"].as_object().unwrap();
    assert!(paths.keys().all(|path| path.starts_with("/api/v1/")));
    for path in ["/auth/login", "/users/me", "/devices/{id}", "/heartbeats", "/data", "/health/all", "/servers/{id}"] {
        assert!(paths.contains_key(&format!("/api/v1{path}")), "{path}");
    }
    let tag = document.header("etag").unwrap();
    let _ = client.get_with("/api-docs/openapi.json", "If-None-Match", tag).await.expect(304);

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

#[tokio::test]
async fn a_mistake_in_a_statement_is_our_fault_and_no_outage() {
    let pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    let _ = user.get("/tasks").await.expect(200);
    pulso.database.execute("ALTER TABLE tasks RENAME COLUMN title TO heading").await;
    let answer = user.get("/tasks").await.expect(500);
    assert_eq!(answer.body["type"], "/problems/internal");
    assert!(!answer.text.contains("title"), "{}", answer.text);
    pulso.database.execute("ALTER TABLE tasks RENAME COLUMN heading TO title").await;
    let _ = user.get("/tasks").await.expect(200);
}
