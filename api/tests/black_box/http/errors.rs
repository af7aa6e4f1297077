//! Errors: problem details, whoever found the error.

use std::io::Read;

use reqwest::Method;

use crate::support::start_api;

#[tokio::test]
async fn every_error_is_a_problem_whoever_found_it() {
    let pulso = start_api(Vec::new()).await;
    let client = &pulso.client;
    let user = client.new_user().await;
    let raw_body = |path: &str, content_type: &str, body: Vec<u8>| {
        user.request(Method::POST, path).header("Content-Type", content_type).body(body)
    };
    let gzipped = |body: Vec<u8>| raw_body("/tasks", "application/json", body).header("Content-Encoding", "gzip");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::repeat(b' ').take(64 * 1024 * 1024), &mut bomb).unwrap();
    for (request, status, kind) in [
        (user.request(Method::GET, "/nowhere"), 404, "not-found"),
        (user.request(Method::GET, "/api/v1/tasks/x/y"), 404, "not-found"),
        (user.request(Method::GET, "/tasks/%FF%00"), 404, "not-found"),
        (user.request(Method::DELETE, "/tasks"), 405, "method-not-allowed"),
        (user.request(Method::TRACE, "/tasks"), 405, "method-not-allowed"),
        (raw_body("/tasks", "application/json", b"{".to_vec()), 400, "unreadable"),
        (raw_body("/tasks", "application/json", b"\xff\xfe".to_vec()), 400, "unreadable"),
        (raw_body("/tasks", "text/plain", b"{}".to_vec()), 415, "unsupported-media-type"),
        (raw_body("/tasks", "application/json", vec![b' '; 2 * 1024 * 1024]), 413, "too-large"),
        (gzipped(bomb.finish().unwrap()), 413, "too-large"),
        (gzipped(b"no gzip".to_vec()), 400, "unreadable"),
        (user.request(Method::GET, "/tasks?limit=x"), 422, "validation"),
        (user.request(Method::GET, "/tasks?limit=1&limit=2"), 422, "validation"),
        (client.request(Method::GET, "/tasks"), 401, "unauthorized"),
        (raw_body("/tasks", "application/json", b"{}".to_vec()), 422, "validation"),
        (user.request(Method::GET, "/users"), 403, "forbidden"),
    ] {
        let answer = client.send(request.header("X-Request-Id", "follow-me")).await;
        assert_eq!(answer.status, status, "{kind}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{kind}");
        assert_eq!(answer.body["type"], format!("/problems/{kind}"));
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["instance"], "follow-me");
        assert_eq!(answer.header("x-request-id"), Some("follow-me"));
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{kind}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{kind}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_mistake_in_a_statement_is_our_fault_and_no_outage() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let _ = user.get("/tasks").await.expect(200);
    pulso.database.execute("ALTER TABLE tasks RENAME COLUMN title TO heading").await;
    let answer = user.get("/tasks").await.expect(500);
    assert_eq!(answer.body["type"], "/problems/internal");
    assert!(!answer.text.contains("tasks.title"), "{}", answer.text);
    pulso.database.execute("ALTER TABLE tasks RENAME COLUMN heading TO title").await;
    let _ = user.get("/tasks").await.expect(200);
}
