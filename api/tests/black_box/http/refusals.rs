//! What the HTTP parser itself refuses is a problem too.

use pulso_testkit::Proxy;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::start_api;

/// All that is answered to these bytes, until the connection is closed.
async fn send(base: &str, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(Proxy::upstream_of(base)).await.unwrap();
    // The server may close before it has read all of a large head.
    let _ = connection.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = connection.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(answer).unwrap()
}

fn assert_problem(answer: &str, status: u16, kind: &str, told: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    assert_ne!(body, "", "no problem for {told}: {answer:?}");
    let head = head.to_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{told}: {head}");
    for header in ["content-type: application/problem+json", "connection: close", "x-content-type-options: nosniff"] {
        assert!(head.lines().any(|line| line == header), "{told}: {header} is missing: {head}");
    }
    assert!(head.lines().any(|line| line == format!("content-length: {}", body.len())), "{told}: {head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["type"]), (&status.into(), &format!("/problems/{kind}").into()), "{told}");
    assert!(problem["detail"].as_str().unwrap().contains(told), "{told}: {problem}");
    let id = problem["instance"].as_str().unwrap();
    assert!(head.lines().any(|line| line == format!("x-request-id: {}", id.to_lowercase())), "{told}: {head}");
}

#[tokio::test]
async fn what_the_parser_refuses_is_a_problem() {
    let pulso = start_api(Vec::new()).await;
    let base = pulso.client.base();
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200));
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(200_000));
    // Who sends much still reads why it is refused.
    let body = "y".repeat(1_000_000);
    let with_body = format!("POST /data HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 1000000\r\n\r\n{body}");
    for (request, status, kind, told) in [
        (with_body.as_str(), 400, "unreadable", "more than one Host"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "unreadable", "more than one Host"),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nhost: x\r\nContent-Length: 2\r\n\r\n{}",
            400,
            "unreadable",
            "more than one Host",
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400, "unreadable", "no Host"),
        (
            "POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "unreadable",
            "both Content-Length and Transfer-Encoding",
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "unreadable", "Length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}", 400, "unreadable", "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}", 400, "unreadable", "Content-Length"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "unreadable", "Transfer-Encoding"),
        ("POST / HTTP/1.0\r\n\r\n{}", 400, "unreadable", "cannot be read"),
        ("nonsense\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("GET / HTTP/3.7\r\nHost: x\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "unreadable", "no Host"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\u{1}: y\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "unreadable", "cannot be read"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", 400, "unreadable", "cannot be read"),
        (many.as_str(), 431, "too-large", "too large"),
        (large.as_str(), 431, "too-large", "too large"),
    ] {
        assert_problem(&send(base, request.as_bytes()).await, status, kind, told);
    }
    let head = send(base, b"HEAD / HTTP/1.1\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 400 ") && head.ends_with("\r\n\r\n"), "a HEAD's answer has no body: {head}");
    pulso.finish().await;
}

#[tokio::test]
async fn answers_before_a_refusal_come_whole_and_a_bad_chunk_is_answered_once_at_most() {
    let pulso = start_api(Vec::new()).await;
    let base = pulso.client.base();
    let answers = send(base, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\n\r\n").await;
    let (first, refused) = answers.split_at(answers.rfind("HTTP/1.1 400").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 ") && first.contains("x-request-id"), "{first}");
    assert_problem(refused, 400, "unreadable", "no Host");

    let bad_chunks = ["x\r\n{}\r\n0\r\n\r\n", "2\r\n{}x\r\n0\r\n\r\n", "2\n{}", "11111111111111111\r\n{}"];
    for chunks in bad_chunks {
        for path in ["/auth/login", "/heartbeats", "/tasks"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n");
            let answers = send(base, format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes()).await;
            // Never two for one request; none where the connection is closed before its handler has come to the body.
            assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{path} {chunks:?}: {answers}");
            let Some((_, body)) = answers.split_once("\r\n\r\n") else { continue };
            let problem: Value = serde_json::from_str(body).unwrap();
            assert!([400, 401].contains(&problem["status"].as_u64().unwrap()), "{path} {chunks:?}: {problem}");
        }
    }
    pulso.finish().await;
}
