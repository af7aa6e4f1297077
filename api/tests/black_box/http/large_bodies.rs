//! Room for large bodies: strangers have some of it, each caller some, and nobody all.

use std::time::Duration;

use pulso_testkit::Client;
use serde_json::{Value, json};

use crate::support::bodies::RawConnection;
use crate::support::rate_limits::start;
use crate::support::start_api;
use crate::support::time::seconds_from_now;

/// What an outage of a device's network leaves: 117 KB.
fn backlog() -> Value {
    let item =
        |age: i64| json!({"timestamp": seconds_from_now(-60 - age), "cpu": 41.5, "ram": 63.25, "disk_free": 72.4});
    (0..1_000).map(item).collect()
}

/// A body that has become large, and then comes no further.
async fn stalled(client: &Client, headers: &str) -> RawConnection {
    let mut connection = RawConnection::open(client).await;
    connection.begin_post("/heartbeats", headers, 200_000, &[b' '; 40_000]).await;
    connection
}

async fn with_token(client: &Client, of: &Client) -> RawConnection {
    stalled(client, &format!("Authorization: Bearer {}\r\n", of.token().unwrap())).await
}

async fn from_address(client: &Client, address: &str) -> RawConnection {
    stalled(client, &format!("X-Forwarded-For: {address}\r\n")).await
}

/// The status of the first that is answered; the others go on waiting.
async fn first_answered(connections: &mut Vec<RawConnection>) -> u16 {
    let statuses = connections.iter_mut().map(|connection| Box::pin(connection.status()));
    let (status, place, _) = futures_util::future::select_all(statuses).await;
    drop(connections.remove(place));
    status
}

#[tokio::test]
async fn strangers_who_stall_keep_no_device_from_its_backlog() {
    // 32 in all: 2 an address, 8 for all strangers, 4 a caller.
    let pulso = start(&[("LARGE_BODIES_MAX", 32)]).await;
    let user = pulso.client.new_user().await;
    let (device, busy) = (user.new_device().await, user.new_device().await);
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(from_address(&pulso.client, "203.0.113.0").await);
    }
    assert_eq!(first_answered(&mut strangers).await, 429, "a stranger's share is used up");
    for network in [1, 1, 2, 2, 3, 3, 4] {
        strangers.push(from_address(&pulso.client, &format!("203.0.113.{network}")).await);
    }
    assert_eq!(first_answered(&mut strangers).await, 503, "the strangers' share is used up");
    let _ = device.client.post("/heartbeats", &backlog()).await.expect(202);
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);

    // A caller who stalls uses up their own.
    let mut callers = Vec::new();
    for _ in 0..5 {
        callers.push(with_token(&pulso.client, &busy.client).await);
    }
    assert_eq!(first_answered(&mut callers).await, 429, "a caller's share is used up");
    let _ = device.client.post("/heartbeats", &backlog()).await.expect(202);
    drop((strangers, callers, pulso));
}

#[tokio::test]
async fn one_address_has_half_of_the_room_whatever_tokens_it_shows() {
    // 16 in all: 2 a caller, 8 an address.
    let pulso = start(&[("LARGE_BODIES_MAX", 16)]).await;
    let user = pulso.client.new_user().await;
    let mut held = Vec::new();
    for of_device in [2, 2, 2, 2, 1] {
        let device = user.new_device().await;
        for _ in 0..of_device {
            held.push(with_token(&pulso.client, &device.client).await);
        }
    }
    assert_eq!(first_answered(&mut held).await, 429, "the address's share is used up");
    let other = user.new_device().await;
    let elsewhere = other.client.request(reqwest::Method::POST, "/heartbeats").header("X-Forwarded-For", "203.0.113.1");
    let _ = other.client.send(elsewhere.json(&backlog())).await.expect(202);
    drop((held, pulso));
}

#[tokio::test]
async fn a_body_has_to_come_at_a_minimum_rate() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut stalled = with_token(&pulso.client, &device.client).await;
    let mut slow = RawConnection::open(&pulso.client).await;
    let authorization = format!("Authorization: Bearer {}\r\n", device.client.token().unwrap());
    let body = format!("{{\"cpu\": 1{}}}", " ".repeat(199_991));
    slow.begin_post("/heartbeats", &authorization, body.len(), b"").await;
    // 16 KB a second: a bad line, but one that moves.
    let mut due = tokio::time::interval(Duration::from_millis(500));
    for chunk in body.as_bytes().chunks(8_000) {
        due.tick().await;
        slow.send(chunk).await;
    }
    // In the meantime the other one's time was over: 5 s, and 8 KB a second.
    assert_eq!((slow.status().await, stalled.status().await), (202, 408));
    drop(pulso);
}

#[tokio::test]
async fn without_a_credential_a_body_is_smaller() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"device_id": device.id, "cpu": 1, "note": "x".repeat(300_000)});
    let _ = pulso.client.post("/heartbeats", &body).await.expect(413);
    let _ = pulso.client.post("/auth/login", &body).await.expect(413);
    let _ = device.client.post("/heartbeats", &body).await.expect(202);
    drop(pulso);
}

#[tokio::test]
async fn a_bad_credential_is_refused_before_its_body() {
    let pulso = start_api(Vec::new()).await;
    for path in ["/heartbeats", "/devices", "/devices/import"] {
        let mut connection = RawConnection::open(&pulso.client).await;
        connection.begin_post(path, "Authorization: Bearer nonsense\r\n", 200_000, b"").await;
        assert_eq!(connection.status().await, 401, "{path}");
    }
    pulso.finish().await;
}
