//! What browsers, proxies and other people's programs may expect of every answer.

use std::io::Read;

use pulso_testkit::{Answer, Client, Options, Pulso};
use reqwest::Method;
use serde_json::json;

async fn start(api: Vec<(&'static str, String)>) -> Pulso {
    Pulso::start_with(Options { api, without_worker: true, ..Options::default() }).await
}

async fn ask(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(method, path);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[tokio::test]
async fn pages_of_allowed_origins_may_use_the_api_and_no_others() {
    let origins = "https://app.example.com, http://localhost:5173";
    let pulso = start(vec![("CORS_ALLOWED_ORIGINS", origins.into()), ("ADDRESS_MAX_PER_MINUTE", "40".into())]).await;
    let client = &pulso.client;
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        let preflight = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization,content-type,x-csrf-token"),
        ];
        for path in ["/tasks", "/api/v1/devices/x", "/heartbeats"] {
            let allowed = ask(client, Method::OPTIONS, path, &preflight).await;
            assert!([200, 204].contains(&allowed.status), "{}", allowed.status);
            assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
            assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
            assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));
            let headers = allowed.header("access-control-allow-headers").unwrap().to_lowercase();
            assert!(headers.contains("x-csrf-token") && headers.contains("authorization"), "{headers}");
        }
        // Errors can be read too, and what they say in headers.
        let refused = ask(client, Method::GET, "/tasks", &[("Origin", origin)]).await.expect(401);
        assert_eq!(refused.header("access-control-allow-origin"), Some(origin));
        assert!(refused.header("access-control-expose-headers").unwrap().to_lowercase().contains("ratelimit"));
        assert!(refused.header("vary").unwrap().to_lowercase().contains("origin"));
    }
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let refused = ask(client, Method::OPTIONS, "/tasks", &preflight).await;
        assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}");
        let plain = ask(client, Method::GET, "/docs", &[("Origin", origin)]).await;
        assert_eq!(plain.header("access-control-allow-origin"), None, "{origin}");
    }
    let limited = loop {
        let answer = ask(client, Method::GET, "/docs", &[("Origin", "https://app.example.com")]).await;
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(limited.header("access-control-allow-origin"), Some("https://app.example.com"));
    pulso.finish().await;

    // By default there is nothing of it.
    let pulso = start(Vec::new()).await;
    let preflight = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET")];
    let refused = ask(&pulso.client, Method::OPTIONS, "/tasks", &preflight).await.expect(405);
    assert_eq!(refused.header("access-control-allow-origin"), None);
    pulso.finish().await;
}

#[tokio::test]
async fn every_answer_to_people_has_the_headers_that_keep_browsers_safe() {
    let pulso = start(Vec::new()).await;
    let user = pulso.client.new_user().await;
    for (path, status) in [("/devices", 200), ("/nowhere", 404), ("/docs", 200), ("/redoc", 200), ("/livez", 200)] {
        let answer = user.get(path).await.expect(status);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let is_page = path.ends_with("doc") || path.ends_with("docs");
        assert_eq!(policy.contains("default-src 'self'"), is_page, "{path}: {policy}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
        for name in ["server", "x-powered-by"] {
            assert_eq!(answer.header(name), None);
        }
    }
    pulso.finish().await;
}

/// As it comes over the wire.
async fn raw(user: &Client, base: &str, path: &str, accept: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    let request = http.get(format!("{base}{path}")).header("Accept-Encoding", accept);
    let response = request.bearer_auth(user.token().unwrap()).send().await.unwrap();
    let headers = response.headers().clone();
    (headers, response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_asks_and_short_ones_are_not() {
    let pulso = start(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let base = pulso.client.request(Method::GET, "").build().unwrap().url().as_str().trim_end_matches('/').to_owned();
    let long = json!({"title": "long", "description": "the same again and again ".repeat(150)});
    let long = user.post("/tasks", &long).await.expect(201);
    let path = format!("/tasks/{}", long.body["id"].as_str().unwrap());
    let (plain_headers, plain) = raw(&user, &base, &path, "identity").await;
    assert_eq!(plain_headers.get("content-encoding"), None);
    assert!(plain_headers.get_all("vary").iter().any(|vary| vary.as_bytes().eq_ignore_ascii_case(b"accept-encoding")));

    let (headers, gzipped) = raw(&user, &base, &path, "gzip").await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(headers.get_all("vary").iter().any(|vary| vary.as_bytes().eq_ignore_ascii_case(b"accept-encoding")));
    assert!(gzipped.len() * 5 < plain.len(), "{} of {}", gzipped.len(), plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(gzipped.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert_eq!(raw(&user, &base, &path, "br").await.0["content-encoding"], "br");

    // Other bytes, so a weak tag; it holds for reading and for changing all the same.
    let (strong, weak) = (plain_headers["etag"].to_str().unwrap(), headers["etag"].to_str().unwrap());
    assert_eq!(weak, format!("W/{strong}"));
    let _ = user.get_with(&path, "If-None-Match", weak).await.expect(304);
    let change = user.request(Method::PATCH, &path).header("If-Match", weak).json(&json!({"status": "done"}));
    let _ = user.send(change).await.expect(200);

    for (path, accept) in [("/users/me", "gzip, br"), (path.as_str(), "zstd"), ("/docs/favicon-32x32.png", "gzip")] {
        let (headers, _) = raw(&user, &base, path, accept).await;
        assert_ne!(headers.get("content-encoding").map(reqwest::header::HeaderValue::as_bytes), Some(&b"br"[..]));
        assert!(headers.get("content-encoding").is_none() || path.starts_with("/docs"), "{path} {accept}");
    }
    // Devices' answers are a few bytes: never.
    let device = user.new_device().await;
    let request = device.client.request(Method::POST, "/heartbeats").header("Accept-Encoding", "gzip, br");
    let answer = user.send(request.json(&json!({"cpu": 1}))).await.expect(202);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
    drop(pulso);
}

#[tokio::test]
async fn every_error_is_a_problem_whoever_found_it() {
    let pulso = start(Vec::new()).await;
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
