//! Lines that delay and break, and a replica that dies: short forms of the fault suite's cases.

use std::time::Duration;

use pulso_testkit::{Client, Line, Options, Proxy, Pulso, eventually};
use serde_json::{Value, json};

use crate::support::outages::broker_proxy;
use crate::support::time::seconds_from_now;

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
        let body = json!({"timestamp": seconds_from_now(-100 - n), "cpu": 1});
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
async fn over_lines_that_delay_and_break_a_device_that_tries_again_gets_one_row_each() {
    let (broker_line, amqp_url) = broker_proxy().await;
    let options = Options { amqp_url: Some(amqp_url), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let address = pulso.client.base().to_owned();
    let device_line = Proxy::open(Proxy::upstream_of(&address)).await;
    let over_the_line = Client::new(device_line.through(&address)).with_token(device.client.token().expect("a token"));
    device_line.degrade(Line { latency: Duration::from_millis(20), reset_chance: 0.15, ..Line::default() });
    broker_line.degrade(Line { latency: Duration::from_millis(20), reset_chance: 0.02, ..Line::default() });
    let bodies: Vec<_> = (0..40).map(|n| json!({"timestamp": seconds_from_now(-100 - n), "cpu": 1})).collect();
    let sending = bodies.iter().map(|body| send_until_accepted(&over_the_line, body));
    let attempts: usize = futures_util::future::join_all(sending).await.into_iter().sum();
    assert!(attempts > 40, "no line broke: the test has shown nothing");
    broker_line.degrade(Line::default());
    pulso.stored(40).await;
    // What was sent twice comes behind the rows that it is in.
    eventually("the queue is empty", async || (pulso.broker.data_left().await == 0).then_some(())).await;
    pulso.finish().await;
}
