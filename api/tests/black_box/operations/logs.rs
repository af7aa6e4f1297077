//! An outage does not fill the disk with lines that all say the same.

use pulso_testkit::{Options, Process, Pulso, eventually};
use serde_json::{Value, json};

use crate::support::outages::broker_proxy;

/// More requests than any number of lines that one place may write while they are sent.
const REQUESTS: usize = 3_000;
const AT_ONCE: usize = 100;

/// How many lines were left out by now, by the counts in the log.
fn counted(api: &Process) -> u64 {
    let of = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let is_failure = entry["example"].as_str()?.starts_with("request failed");
        is_failure.then(|| entry["suppressed"].as_u64().unwrap())
    };
    api.log().lines().filter_map(of).sum()
}

#[tokio::test]
async fn an_outage_of_the_broker_is_said_first_and_then_counted_and_no_refusal_is_left_out_of_the_count() {
    let (proxy, amqp_url) = broker_proxy().await;
    let api = vec![("PUBLISH_TIMEOUT_MS", "100".to_owned())];
    let pulso = Pulso::start_with(Options { api, amqp_url: Some(amqp_url), ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    proxy.cut();
    for _ in 0..REQUESTS / AT_ONCE {
        let sent = (0..AT_ONCE).map(|_| async { device.client.post("/heartbeats", &json!({})).await.expect(503) });
        futures_util::future::join_all(sent).await;
    }
    eventually("every refusal is said or counted", async || {
        let said = pulso.api.count_logged("\"message\":\"request failed\"");
        let said_and_counted = u64::try_from(said).unwrap() + counted(&pulso.api);
        (said_and_counted == u64::try_from(REQUESTS).unwrap()).then_some(())
    })
    .await;
    let said = pulso.api.count_logged("\"message\":\"request failed\"");
    assert!((1..=REQUESTS / 4).contains(&said), "{said} lines for {REQUESTS} refusals");
    proxy.restore();
    eventually("accepted again", async || {
        (device.client.post("/heartbeats", &json!({})).await.status == 202).then_some(())
    })
    .await;
}
