//! Compressed bodies, for clients that ask for them.

use std::io::Read;

use pulso_testkit::Client;
use reqwest::Method;
use serde_json::json;

use crate::support::start_api;

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
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let base = pulso.client.request(Method::GET, "").build().unwrap().url().as_str().trim_end_matches('/').to_owned();
    let long = json!({"title": "long", "description": "the same again and again ".repeat(150)});
    let long = user.post("/tasks", &long).await.expect(201);
    let path = format!("/tasks/{}", long.body["id"].as_str().unwrap());
    let (plain_headers, plain) = raw(&user, &base, &path, "identity").await;
    assert_eq!(plain_headers.get("content-encoding"), None);
    assert_eq!(plain_headers["vary"], "authorization, cookie, accept-encoding");

    let (headers, gzipped) = raw(&user, &base, &path, "gzip").await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["authorization, cookie, accept-encoding"]);
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
