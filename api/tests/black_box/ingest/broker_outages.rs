//! The broker is unavailable, or the API itself is killed: a 2xx stays the truth.

use std::time::{Duration, Instant};

use pulso_testkit::{Client, Options, Proxy, Pulso, eventually};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::outages::broker_proxy;
use crate::support::start_api;
use crate::support::time::seconds_from_now;

/// A Pulso whose way to the broker can be cut.
async fn with_broker_proxy(api: Vec<(&'static str, String)>) -> (Pulso, Proxy) {
    let (proxy, amqp_url) = broker_proxy().await;
    // Short heartbeats: a frozen connection is given up by both ends soon.
    let amqp_url = Some(format!("{amqp_url}?heartbeat=2"));
    (Pulso::start_with(Options { api, amqp_url, ..Options::default() }).await, proxy)
}

async fn is_ready(client: &Client) -> bool {
    client.get("/readyz").await.status == 200
}

#[tokio::test]
async fn without_the_broker_nothing_is_accepted_and_soon_after_it_is_back_everything_is() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "500".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"timestamp": seconds_from_now(-5), "cpu": 1});
    proxy.cut();
    eventually("not ready", async || (!is_ready(&pulso.client).await).then_some(())).await;
    let refused = device.client.post("/heartbeats", &body).await.expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(!refused.body.to_string().contains("lapin"), "a 5xx tells nothing of the inside: {}", refused.body);
    proxy.restore();
    let restored = Instant::now();
    eventually("accepted again", async || (device.client.post("/heartbeats", &body).await.status == 202).then_some(()))
        .await;
    assert!(restored.elapsed() < Duration::from_secs(5), "back after {:?}", restored.elapsed());
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_short_outage_of_the_broker_is_not_even_noticed() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "10000".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.cut();
    eventually("not ready", async || (!is_ready(&pulso.client).await).then_some(())).await;
    let client = device.client.clone();
    let waiting = tokio::spawn(async move { client.post("/heartbeats", &json!({"cpu": 1})).await });
    proxy.restore();
    let _ = waiting.await.unwrap().expect(202);
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_half_open_connection_is_a_503_in_time_and_then_replaced() {
    let (pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "500".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    let body = json!({"timestamp": seconds_from_now(-5), "cpu": 1});
    proxy.freeze();
    let _ = device.client.post("/heartbeats", &body).await.expect(503);
    proxy.restore();
    eventually("accepted again", async || (device.client.post("/heartbeats", &body).await.status == 202).then_some(()))
        .await;
    // The worker's frozen connection holds nothing for long: both ends miss each other's heartbeats.
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn an_unroutable_message_is_refused_and_the_queue_made_again() {
    let mut pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    // One of the API's watermark probes may notice before the heartbeat does; what is sent then waits for the new queue.
    eventually("refused", async || {
        pulso.broker.delete_queue("store").await;
        (device.client.post("/heartbeats", &json!({"cpu": 1})).await.status == 503).then_some(())
    })
    .await;
    eventually("accepted again", async || {
        (device.client.post("/heartbeats", &json!({"cpu": 1})).await.status == 202).then_some(())
    })
    .await;
    pulso.restart_worker().await;
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_full_queue_slows_the_clients_instead_of_growing() {
    let limit = [("QUEUE_MAX_BYTES", "20000".to_owned())];
    let options = Options { without_worker: true, api: limit.to_vec(), worker: limit.to_vec(), ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut accepted = 0;
    let refused = loop {
        let backlog: Vec<_> =
            (0..50).map(|n| json!({"timestamp": seconds_from_now(-1_000 * (accepted + 1) - n)})).collect();
        let answer = device.client.post("/heartbeats", &json!(backlog)).await;
        if answer.status != 202 {
            break answer.expect(503);
        }
        accepted += 50;
        assert!(accepted < 10_000, "the queue has no limit");
    };
    assert!(refused.header("retry-after").is_some());
    pulso.restart_worker().await;
    pulso.stored(accepted).await;
    pulso.finish().await;
}

/// Waits until there is a row for each of these timestamps, and nothing more to store; other rows may be there as well.
async fn stored_at(pulso: &Pulso, acknowledged: &[String]) {
    let lost = "SELECT ts FROM unnest($1::text[]) AS ts \
                WHERE NOT EXISTS (SELECT FROM heartbeats WHERE heartbeats.ts = ts.ts::timestamptz)";
    eventually("every acknowledged row", async || {
        pulso.database.query(lost, &[&acknowledged]).await.is_empty().then_some(())
    })
    .await;
    eventually("nothing waits", async || (pulso.broker.depth("store").await == 0).then_some(())).await;
}

#[tokio::test]
async fn what_a_killed_api_has_accepted_is_stored() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let client = pulso.client.with_token(device.client.token().expect("a token"));
        let mut sending = tokio::task::JoinSet::new();
        for n in 0..50 {
            let client = client.clone();
            let timestamp = seconds_from_now(-1_000 * (round + 1) - n);
            sending.spawn(async move {
                let body = json!({"timestamp": timestamp, "cpu": 1});
                let request = client.request(reqwest::Method::POST, "/heartbeats").json(&body);
                client.try_send(request).await.ok().filter(|answer| answer.status == 202).map(|_| timestamp)
            });
        }
        // Killed in the midst: some have their answer, some have not.
        for _ in 0..10 {
            acknowledged.extend(sending.join_next().await.unwrap().unwrap());
        }
        pulso.api.kill().await;
        while let Some(accepted) = sending.join_next().await {
            acknowledged.extend(accepted.unwrap());
        }
        pulso.restart_api().await;
    }
    assert!(acknowledged.len() >= 30);
    // What got no answer may be there as well.
    stored_at(&pulso, &acknowledged).await;
    assert!(pulso.database.count("SELECT count(*) FROM heartbeats").await <= 150);
    pulso.finish().await;
}

/// Sends a heartbeat on a connection of its own, its body only once the API has said that it works on the request.
async fn begin_heartbeat(address: &str, token: &str, timestamp: &str) -> TcpStream {
    let body = json!({"timestamp": timestamp}).to_string();
    let head = format!(
        "POST /heartbeats HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told[..], b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

/// The status of the answer to come, which is read to its end.
async fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, not a broken connection");
    assert!(answer.starts_with("HTTP/1.1 ") && answer.contains("\r\n\r\n"), "no whole answer: {answer:?}");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn sigterm_fails_no_request_in_flight() {
    let (mut pulso, proxy) = with_broker_proxy(vec![("PUBLISH_TIMEOUT_MS", "10000".into())]).await;
    let device = pulso.client.new_user().await.new_device().await;
    let address = pulso.client.base().trim_start_matches("http://").to_owned();
    // No confirm can come: everything that is sent now is in flight until the broker is back.
    proxy.freeze();
    let mut answers = tokio::task::JoinSet::new();
    for n in 0..100 {
        let timestamp = seconds_from_now(-1_000 - n);
        let stream = begin_heartbeat(&address, device.client.token().expect("a token"), &timestamp).await;
        answers.spawn(async move { (status(stream).await, timestamp) });
    }
    let broker_returns = async {
        eventually("no new connection is taken", async || TcpStream::connect(&address).await.err()).await;
        assert!(answers.try_join_next().is_none(), "answered without the broker");
        proxy.cut();
        proxy.restore();
    };
    tokio::join!(pulso.api.terminate(), broker_returns);
    let answers = answers.join_all().await;
    assert!(answers.iter().all(|(status, _)| [202, 503].contains(status)), "{answers:?}");
    let accepted = answers.into_iter().filter(|(status, _)| *status == 202).map(|(_, timestamp)| timestamp);
    let accepted: Vec<_> = accepted.collect();
    assert!(!accepted.is_empty(), "the broker was back in time");
    stored_at(&pulso, &accepted).await;
    pulso.restart_api().await;
    pulso.finish().await;
}
