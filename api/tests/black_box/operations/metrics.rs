//! A request's way through the logs, and what is counted: the metrics of `docs/operations.md`, no more and no fewer.

use std::collections::BTreeSet;
use std::time::Duration;

use pulso_testkit::{Answer, Client, Options, Pulso, eventually};
use reqwest::Method;
use serde_json::json;

fn holds_all(metrics: &Answer, names: &[&str]) {
    for name in names {
        assert!(metrics.text.lines().any(|line| line.starts_with(name)), "{name} is not in {}", metrics.text);
    }
}

#[tokio::test]
async fn a_request_id_leads_from_the_client_to_the_workers_log_and_everything_is_counted() {
    let trace = vec![("RUST_LOG", "info,pulso_worker=trace".to_owned())];
    let mut pulso = Pulso::start_with(Options { worker: trace, without_worker: true, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    let (kept, deleted) = (user.new_device().await, user.new_device().await);
    let send = async |client: &Client, id: &str| {
        let request = client.request(Method::POST, "/heartbeats").header("X-Request-Id", id).json(&json!({"cpu": 1}));
        let answer = client.send(request).await.expect(202);
        assert_eq!(answer.header("x-request-id"), Some(id));
    };
    send(&kept.client, "follow-me-1").await;
    send(&deleted.client, "follow-me-2").await;
    let _ = kept.client.post("/heartbeats", &json!({"cpu": 101})).await.expect(422);
    let _ = user.delete(&format!("/devices/{}", deleted.id)).await.expect(204);
    pulso.restart_worker().await;
    pulso.stored(1).await;
    let worker = pulso.worker.as_mut().unwrap();
    assert_eq!(worker.logged("heartbeat stored", "request_id").await, "follow-me-1");
    assert_eq!(worker.logged("heartbeat stored", "device_id").await, kept.id);
    assert_eq!(worker.logged("row of a deleted device dropped", "request_id").await, "follow-me-2");
    assert_eq!(worker.logged("row of a deleted device dropped", "device_id").await, deleted.id);
    assert_eq!(worker.logged("rows of deleted devices dropped", "level").await, "INFO");

    let metrics = pulso.client.get("/metrics").await.expect(200);
    holds_all(
        &metrics,
        &[
            "pulso_ingest_accepted_total 2",
            "pulso_ingest_rejected_total{reason=\"out_of_range\"} 1",
            "pulso_http_responses_total{class=\"4xx\"} 1",
        ],
    );
    let operations = Client::new(format!("http://{}", worker.logged("health and metrics", "address").await));
    for path in ["/livez", "/readyz"] {
        let _ = operations.get(path).await.expect(200);
    }
    holds_all(
        &operations.get("/metrics").await.expect(200),
        &["pulso_stored_total 1", "pulso_duplicates_total 0", "pulso_dropped_total{reason=\"device_gone\"} 1"],
    );
    pulso.finish().await;
}

/// A metric as the document lists it: `pulso_http_responses_total{class}`, `counter`.
type Metric = (String, String);

/// The metrics in the table of `docs/operations.md` whose first column is headed by that program's name.
fn documented(program: &str) -> BTreeSet<Metric> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let document = std::fs::read_to_string(path).unwrap();
    let heading = format!("| {program} | kind | means |");
    let table = document.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    let metric = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next().unwrap().trim_matches('`').to_owned();
        (name, cells.next().unwrap().to_owned())
    };
    table.map(metric).collect()
}

/// The metrics that are exposed, with their labels but for those of every histogram and summary.
fn exposed(metrics: &Answer) -> BTreeSet<Metric> {
    let mut found = BTreeSet::new();
    for declaration in metrics.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = declaration.split_once(' ').unwrap();
        let samples = metrics.text.lines().filter(|line| line.starts_with(name));
        let pairs = samples.filter_map(|line| line.split_once('{')?.1.split_once('}')).flat_map(|(pairs, _)| {
            pairs.split("\",").filter_map(|pair| pair.split_once('=')).map(|(label, _)| label.trim_start_matches(','))
        });
        let labels: BTreeSet<_> = pairs.filter(|label| !["le", "quantile"].contains(label)).collect();
        let labels = labels.into_iter().collect::<Vec<_>>().join(",");
        let name = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
        found.insert((name, kind.to_owned()));
    }
    found
}

/// Compares both lists, once everything listed has had its first event: no metric is exposed before.
async fn exposes_what_is_documented(client: &Client, program: &str) {
    let documented = documented(program);
    assert!(documented.len() >= 5, "the table of {program} was not read: {documented:?}");
    let look = async || exposed(&client.get("/metrics").await.expect(200));
    let mut seen = BTreeSet::new();
    let complete = async {
        let mut due = tokio::time::interval(Duration::from_millis(200));
        while !seen.is_superset(&documented) {
            due.tick().await;
            seen = look().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(30), complete).await;
    let missing: Vec<_> = documented.difference(&seen).collect();
    let unlisted: Vec<_> = seen.difference(&documented).collect();
    assert!(missing.is_empty() && unlisted.is_empty(), "{program} lacks {missing:?}, and {unlisted:?} are not listed");
}

#[tokio::test]
async fn the_metrics_are_those_of_the_document() {
    let api = vec![("ACCOUNT_MAX_CONCURRENT_QUERIES", "1".to_owned()), ("CACHE_USER_MAX_BYTES", "1".to_owned())];
    let mut pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    eventually("a limit is used up", async || {
        let crowd = futures_util::future::join_all((0..50).map(|_| user.get("/devices"))).await;
        crowd.iter().any(|answer| answer.status == 429).then_some(())
    })
    .await;
    let _ = user.post("/cache/set", &json!({"key": "a", "value": 1})).await.expect(507);
    let device = user.new_device().await;
    let _ = user.patch(&format!("/devices/{}", device.id), &json!({"offline_after_s": 5})).await.expect(200);
    let _ = device.client.post("/heartbeats?ack=stored", &json!({"cpu": 1})).await.expect(200);
    let _ = device.client.post("/heartbeats", &json!({"cpu": 101})).await.expect(422);
    // A range that is over: its second response is the first one again.
    for _ in 0..2 {
        let range = "start_time=2024-03-10T00:00:00&end_time=2024-03-11T00:00:00";
        let _ = user.get(&format!("/data?aggregation=day&{range}")).await.expect(200);
    }
    pulso.broker.publish("pulso.telemetry.v9", b"[]").await;
    exposes_what_is_documented(&pulso.client, "api").await;
    let address = pulso.worker.as_mut().unwrap().logged("health and metrics", "address").await;
    exposes_what_is_documented(&Client::new(format!("http://{address}")), "worker").await;
    let _ = eventually("the dead letter", async || pulso.broker.take_dead_letter().await).await;
    pulso.finish().await;
}
