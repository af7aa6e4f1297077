//! Caches: what belongs to a person is theirs alone, what is public can be kept, and a 304 says what its 200 says.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use super::Stage;
use crate::authorization::table::{ROWS, Row};

/// The names in `Vary`; there is one line of them, beside the one that CORS may add.
fn vary(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all("vary").iter().map(|line| line.to_str().unwrap().to_lowercase());
    lines.flat_map(|line| line.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()).collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// A GET as it comes over the wire.
async fn get(stage: &Stage, row: &Row, headers: &[(&str, &str)]) -> Response {
    let (method, path, query) = stage.scene.address(row);
    assert_eq!(method, Method::GET);
    let query = if row.operation.ends_with('s') && path.contains("/devices/") { "?aggregation=day" } else { &query };
    let caller = stage.allowed(row);
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    let request = http.get(format!("{}{path}{query}", caller.base()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    caller.token().map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token)).send().await.unwrap()
}

fn gets() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(|row| row.operation.starts_with("GET "))
}

#[tokio::test]
async fn what_belongs_to_a_person_is_kept_by_no_cache_and_what_is_public_can_be() {
    let stage = Stage::set().await;
    let (mut personal, mut public) = (0, 0);
    for row in gets() {
        let needs_credential = stage.documented(row).get("security").is_some();
        let answer = get(&stage, row, &[]).await;
        let (status, headers) = (answer.status(), answer.headers());
        assert!(status.is_success(), "{}: {status}", row.operation);
        let (control, vary) = (text(headers, "cache-control"), vary(headers));
        let by_person = ["authorization", "cookie"].map(|name| vary.iter().any(|vary| vary == name));
        if needs_credential {
            let expected = if headers.contains_key("etag") { "private, no-cache" } else { "no-store" };
            assert_eq!(control, Some(expected), "{}", row.operation);
            assert_eq!(by_person, [true, true], "{}: {vary:?}", row.operation);
            personal += 1;
            // Whoever shows nothing gets nothing that a cache could give to somebody else.
            let (_, path, query) = stage.scene.address(row);
            let refused = stage.pulso.client.get(&format!("{path}{query}")).await;
            assert_eq!((refused.status, refused.header("cache-control")), (401, Some("no-store")), "{}", row.operation);
        } else {
            let is_kept = control.is_none_or(|control| !control.contains("private") && !control.contains("no-store"));
            assert!(is_kept, "{}: {control:?}", row.operation);
            assert_eq!(by_person, [false, false], "{}: {vary:?}", row.operation);
            public += 1;
        }
    }
    assert!(personal >= 20 && public >= 4, "{personal} {public}");
    stage.pulso.finish().await;
}

#[tokio::test]
async fn a_304_says_what_its_200_says_compressed_or_not() {
    let stage = Stage::set().await;
    let owner = &stage.callers.owner.client;
    // Something long enough to be compressed.
    let long = serde_json::json!({"description": "again and again ".repeat(100)});
    for row in gets().filter(|row| ["GET /tasks/{id}", "GET /devices/{id}"].contains(&row.operation)) {
        let _ = owner.patch(&stage.scene.address(row).1, &long).await.expect(200);
    }
    let (mut compared, mut compressed) = (0, 0);
    for row in gets() {
        for encoding in ["identity", "gzip", "BR;q=0.5"] {
            for format in ["application/json", "text/csv"] {
                let first = get(&stage, row, &[("Accept-Encoding", encoding), ("Accept", format)]).await;
                let Some(tag) = text(first.headers(), "etag").map(str::to_owned) else { continue };
                compressed += usize::from(first.headers().contains_key("content-encoding"));
                for known in [tag.clone(), tag.trim_start_matches("W/").to_owned(), "*".to_owned()] {
                    let asked = [("Accept-Encoding", encoding), ("Accept", format), ("If-None-Match", &known)];
                    let again = get(&stage, row, &asked).await;
                    let what = format!("{} {encoding} {format} {known}", row.operation);
                    assert_eq!(again.status(), 304, "{what}");
                    for name in ["etag", "vary", "cache-control", "link", "content-security-policy"] {
                        assert_eq!(text(again.headers(), name), text(first.headers(), name), "{name} of {what}");
                    }
                    for name in ["content-type", "content-encoding"] {
                        assert_eq!(text(again.headers(), name), None, "{name} of {what}");
                    }
                    assert_eq!(again.bytes().await.unwrap().len(), 0, "{what}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared >= 100 && compressed >= 8, "{compared} {compressed}");
    stage.pulso.finish().await;
}
