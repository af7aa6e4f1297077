//! Short forms of the fault suite's cases: lines that lose, delay and break, and a replica that dies.

use std::time::{Duration, Instant};

use pulso_testkit::{Client, Line, Options, Proxy, Pulso, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ingest::pulso_time;

/// Sends until it is accepted, as a device should; how often that took.
async fn send_until_accepted(client: &Client, body: &Value) -> usize {
    let mut attempts = 0;
    eventually("accepted", async || {
        attempts += 1;
        let request = client.request(reqwest::Method::POST, "/heartbeats").json(body).timeout(Duration::from_secs(5));
        client.try_send(request).await.ok().filter(|answer| answer.status == 202)
    })
    .await;
    attempts
}

#[tokio::test]
async fn when_one_of_two_replicas_dies_the_other_takes_everything() {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let (mut replica, replica_client) = pulso.start_replica().await;
    let replica_client = replica_client.with_token(device.client.token().expect("a token"));
    for n in 0..40 {
        if n == 10 {
            pulso.api.kill().await;
        }
        // A client of both: whoever does not answer is passed over.
        let clients = if n % 2 == 0 { [&device.client, &replica_client] } else { [&replica_client, &device.client] };
        let body = json!({"timestamp": pulso_time(-100 - n), "cpu": 1});
        let mut accepted = false;
        for client in clients {
            let answer = client.try_send(client.request(reqwest::Method::POST, "/heartbeats").json(&body)).await;
            accepted = accepted || answer.is_ok_and(|answer| answer.status == 202);
        }
        assert!(accepted, "neither took heartbeat {n}");
    }
    pulso.stored(40).await;
    replica.terminate().await;
    pulso.restart_api().await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_redis_that_answers_after_two_seconds_keeps_nobody_from_sending_or_signing_in() {
    let redis_url = std::env::var("TEST_REDIS_URL").expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&redis_url)).await;
    let options = Options { redis_url: Some(proxy.through(&redis_url)), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.degrade(Line { latency: Duration::from_secs(2), ..Line::default() });
    let started = Instant::now();
    let user = pulso.client.new_user().await;
    let _ = user.get("/users/me").await.expect(200);
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    let _ = user.post("/auth/logout", &json!({})).await.expect(204);
    let _ = user.get("/users/me").await.expect(401);
    // Five requests, of which some ask Redis: none waits for it to the end.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn over_lines_that_delay_and_break_a_device_that_tries_again_gets_one_row_each() {
    let amqp_url = std::env::var("TEST_AMQP_URL").expect("run the tests with `make test`");
    let broker_line = Proxy::open(Proxy::upstream_of(&amqp_url)).await;
    let options = Options { amqp_url: Some(broker_line.through(&amqp_url)), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let address = pulso.client.base().to_owned();
    let device_line = Proxy::open(Proxy::upstream_of(&address)).await;
    let over_the_line = Client::new(device_line.through(&address)).with_token(device.client.token().expect("a token"));
    device_line.degrade(Line { latency: Duration::from_millis(20), reset_chance: 0.15, ..Line::default() });
    broker_line.degrade(Line { latency: Duration::from_millis(20), reset_chance: 0.02, ..Line::default() });
    let bodies: Vec<_> = (0..40).map(|n| json!({"timestamp": pulso_time(-100 - n), "cpu": 1})).collect();
    let sending = bodies.iter().map(|body| send_until_accepted(&over_the_line, body));
    let attempts: usize = futures_util::future::join_all(sending).await.into_iter().sum();
    assert!(attempts > 40, "no line broke: the test has shown nothing");
    broker_line.degrade(Line::default());
    pulso.stored(40).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_connection_that_was_opened_ahead_is_not_told_to_go_away() {
    let pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let mut connection = TcpStream::connect(Proxy::upstream_of(pulso.client.base())).await.unwrap();
    // Nothing may be said to us before we have asked: we would take it for the answer to what we ask next.
    let mut said = [0; 64];
    let silence = tokio::time::timeout(Duration::from_secs(7), connection.read(&mut said)).await;
    assert!(silence.is_err(), "{}", String::from_utf8_lossy(&said));
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    connection.read_exact(&mut said[..12]).await.unwrap();
    assert_eq!(&said[..12], b"HTTP/1.1 200");
    pulso.finish().await;
}
