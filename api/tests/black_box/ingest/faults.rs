//! Bad input: each a 4xx that says what is wrong, never a 5xx, and nothing of it reaches the queue.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pulso_testkit::{Client, Pulso};
use reqwest::Method;
use serde_json::json;

use crate::support::bodies::gzip;

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn send(client: &Client, content_type: &str, encoding: Option<&str>, body: Vec<u8>) -> u16 {
    let request = client.request(Method::POST, "/heartbeats").header("Content-Type", content_type).body(body);
    let request = match encoding {
        Some(encoding) => request.header("Content-Encoding", encoding),
        None => request,
    };
    client.send(request).await.status
}

#[tokio::test]
async fn bodies_that_cannot_be_taken_are_refused_with_the_right_code() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let json_body = async |body: &[u8]| send(&device.client, "application/json", None, body.to_vec()).await;
    for unreadable in [
        &b""[..],
        b"   ",
        b"{",
        b"{\"cpu\": 1",
        b"nonsense",
        b"{\"cpu\": None}",
        b"7",
        b"\"text\"",
        b"null",
        b"{\"cpu\": 1}{\"cpu\": 2}",
        b"\xff\xfe",
        b"{\"cpu\": 01}",
        b"{'cpu': 1}",
    ] {
        assert_eq!(json_body(unreadable).await, 400, "{}", String::from_utf8_lossy(unreadable));
    }
    for invalid in [
        &b"{\"cpu\": 1e400}"[..],
        b"{\"timestamp\": \"\\ud800\"}",
        b"{\"cpu\": \"1\"}",
        b"{\"cpu\": true}",
        b"{\"cpu\": [1]}",
        b"{\"cpu\": {}}",
        b"{\"cpu\": -0.001}",
        b"{\"timestamp\": 17000000}",
        b"{\"cpu\": NaN}",
        b"{\"cpu\": Infinity}",
        b"{\"timestamp\": \"2026-13-01T00:00:00Z\"}",
        b"{\"timestamp\": \"a\\u0000b\"}",
        b"{\"connectivity\": 2}",
        b"[]",
        b"[1, 2]",
        b"{\"temperature\": -300}",
        b"{\"boot_time\": \"1969-01-01T00:00:00Z\"}",
    ] {
        assert_eq!(json_body(invalid).await, 422, "{}", String::from_utf8_lossy(invalid));
    }
    let huge_array = format!("[{}]", vec!["{}"; 100_000].join(","));
    assert_eq!(json_body(huge_array.as_bytes()).await, 422);
    let deep = "[".repeat(100_000);
    assert_eq!(json_body(deep.as_bytes()).await, 400);
    let long_text = format!("{{\"timestamp\": \"{}\"}}", "x".repeat(900_000));
    assert_eq!(json_body(long_text.as_bytes()).await, 422);
    let too_large = format!("{{\"note\": \"{}\"}}", "x".repeat(2_000_000));
    assert_eq!(json_body(too_large.as_bytes()).await, 413);
    assert_eq!(send(&device.client, "text/csv", None, b"{}".to_vec()).await, 415);
    assert_eq!(pulso.broker.depth("store").await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn compressed_bodies_are_read_and_bombs_are_not() {
    // Made before there is a connection: on a busy machine this takes longer than the API keeps an idle one.
    let bomb = vec![b' '; 200_000_000];
    let (gzip_bomb, deflate_bomb) = (gzip(&bomb), deflate(&bomb));
    drop(bomb);
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let encoded = async |encoding, body| send(&device.client, "application/json", Some(encoding), body).await;
    let gzipped = async |body: Vec<u8>| encoded("gzip", body).await;
    assert_eq!(gzipped(gzip(b"{\"cpu\": 1}")).await, 202);
    assert_eq!(encoded("deflate", deflate(b"{\"cpu\": 1}")).await, 202);
    assert_eq!(encoded("br", b"\x0b\x04\x80{\"cpu\": 1}\x03".to_vec()).await, 415);
    let before = pulso.api.peak_memory_bytes();
    assert_eq!(gzipped(gzip_bomb).await, 413);
    assert_eq!(encoded("deflate", deflate_bomb).await, 413);
    // The kernel counts per CPU and late: a peak may be read some pages lower than before.
    let grown = pulso.api.peak_memory_bytes().saturating_sub(before);
    assert!(grown < 64_000_000, "two bombs of 200 MB took {grown} bytes");
    let whole = gzip(format!("[{}]", vec!["{\"cpu\": 1}"; 500].join(",")).as_bytes());
    assert_eq!(gzipped(whole[..whole.len() / 2].to_vec()).await, 400);
    assert_eq!(gzipped(b"not gzip at all".to_vec()).await, 400);
    pulso.stored(2).await;
    pulso.finish().await;
}

#[tokio::test]
async fn every_fault_is_told_at_once_and_in_one_shape() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"cpu": 101, "free_disk": "x", "is_connected": 3, "timestamp": "2099-01-01T00:00:00Z"});
    let request = device.client.request(Method::POST, "/heartbeats").header("X-Request-Id", "my-id-1").json(&body);
    let answer = device.client.send(request).await.expect(422);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!((answer.header("x-request-id"), &answer.body["instance"]), (Some("my-id-1"), &json!("my-id-1")));
    assert_eq!((&answer.body["status"], &answer.body["type"]), (&json!(422), &json!("/problems/validation")));
    let faults = answer.faults();
    let expected = [
        ("/cpu", "out_of_range"),
        ("/free_disk", "wrong_type"),
        ("/is_connected", "out_of_range"),
        ("/timestamp", "in_future"),
    ];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    let _ = device.client.get("/nowhere").await.expect(404);
    let wrong_method = device.client.delete("/heartbeats").await.expect(405);
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    pulso.finish().await;
}
