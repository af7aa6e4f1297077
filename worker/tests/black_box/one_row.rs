//! Values of one device and one instant are put together in one row, and the first value of a metric counts.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pulso_testkit::{Client, Device, Options, Process, Pulso, eventually};
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    pulso_shared::clock::Clock::system().now()
}

/// The whole hour so many hours ago.
fn hours_ago(hours: i64) -> DateTime<Utc> {
    let hour = now().timestamp().div_euclid(3_600) - hours;
    DateTime::from_timestamp(hour * 3_600, 0).unwrap()
}

async fn post(device: &Device, path: &str, body: &Value) {
    let _ = device.client.post(path, body).await.expect(202);
}

/// Posts and waits for the commit; the places of the items that conflict.
async fn post_stored(device: &Device, path: &str, body: &Value) -> Value {
    let answer = device.client.post(&format!("{path}?ack=stored&timeout_ms=30000"), body).await.expect(200);
    assert_eq!(answer.body["stored"], answer.body["accepted"], "{}", answer.body);
    answer.body.get("conflicting").cloned().unwrap_or(json!([]))
}

/// The rows of a table as JSON, oldest first, without what is null.
async fn rows(pulso: &Pulso, table: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT (jsonb_strip_nulls(to_jsonb(r)) - 'device_id' - 'ts' - 'received_at')::text FROM {table} AS r ORDER BY ts"
    );
    let rows = pulso.database.query(&sql, &[]).await;
    rows.iter().map(|row| floats(serde_json::from_str(row.get(0)).unwrap())).collect()
}

/// With every number as a float: 1 and 1.0 are the same.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, floats(value))).collect(),
        other => other,
    }
}

/// A counter of a worker's; 0 while it has counted nothing.
async fn counted(worker: &mut Process, counter: &str) -> i64 {
    let address = worker.logged("health and metrics", "address").await;
    let metrics = Client::new(format!("http://{address}")).get("/metrics").await.expect(200).text;
    let value = metrics.lines().find_map(|line| line.strip_prefix(counter)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Waits for the rows of both tables.
async fn rows_become(pulso: &Pulso, expected: &BTreeMap<&str, Vec<Value>>) {
    for (table, expected) in expected {
        eventually(table, async || (&rows(pulso, table).await == expected).then_some(())).await;
    }
}

/// Two messages of one instant, of each kind, and the row that they make in this order.
fn pairs(at: DateTime<Utc>) -> [(&'static str, Value, Value, Value); 5] {
    let with = |mut body: Value| {
        body["timestamp"] = json!(at);
        body
    };
    let boot_time = hours_ago(50);
    [
        (
            "/readings",
            with(json!({"temperature": 20})),
            with(json!({"humidity": 55})),
            json!({"temperature": 20, "humidity": 55}),
        ),
        (
            "/readings",
            with(json!({"temperature": 20, "metrics": {"a": 1, "b": 0}})),
            with(json!({"temperature": 21, "current": 0, "metrics": {"b": 2, "c": -3.5}})),
            json!({"temperature": 20, "current": 0, "metrics": {"a": 1, "b": 0, "c": -3.5}}),
        ),
        (
            "/readings",
            with(json!({"voltage": 1})),
            with(json!({"metrics": {"pm2.5": 7}})),
            json!({"voltage": 1, "metrics": {"pm2.5": 7}}),
        ),
        (
            "/heartbeats",
            with(json!({})),
            with(json!({"cpu": 1, "connectivity": 0, "boot_time": boot_time})),
            json!({"cpu_usage": 1, "connectivity": false, "boot_time": boot_time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()}),
        ),
        (
            "/heartbeats",
            with(json!({"cpu": 1, "connectivity": 1, "temperature": 0})),
            with(json!({"cpu": 2, "ram": 3, "disk_free": 4, "latency": 5, "connectivity": 0, "temperature": 6})),
            json!({"cpu_usage": 1, "ram_usage": 3, "disk_free": 4, "latency": 5, "connectivity": true, "temperature": 0}),
        ),
    ]
}

#[tokio::test]
async fn two_messages_of_one_instant_are_one_row_in_one_batch_in_two_and_redelivered() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    // One batch: they wait in the queue while there is no worker.
    let device = user.new_device().await;
    let all = pairs(hours_ago(0) - TimeDelta::minutes(1));
    let mut expected: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (minute, (path, first, second, row)) in (0..).zip(all.clone()) {
        let at = hours_ago(1) + TimeDelta::minutes(minute);
        for body in [first, second] {
            post(&device, path, &at_instant(&body, at)).await;
        }
        expected.entry(path.trim_start_matches("/")).or_default().push(floats(row));
    }
    pulso.restart_worker().await;
    rows_become(&pulso, &expected).await;
    // In two batches: the second comes when the first is stored.
    for (minute, (path, first, second, row)) in (5..).zip(all.clone()) {
        let at = hours_ago(1) + TimeDelta::minutes(minute);
        for body in [first, second] {
            let _ = post_stored(&device, path, &json!([at_instant(&body, at)])).await;
        }
        expected.entry(path.trim_start_matches("/")).or_default().push(floats(row));
    }
    rows_become(&pulso, &expected).await;
    // Redelivered: all of them once more, with a worker that has stored none of them.
    pulso.restart_worker().await;
    for (minute, (path, first, second, _)) in (0..10).zip(all.iter().chain(&all)) {
        let at = hours_ago(1) + TimeDelta::minutes(minute);
        post(&device, path, &json!([at_instant(second, at), at_instant(first, at)])).await;
    }
    let worker = pulso.worker.as_mut().unwrap();
    eventually("it has seen all of them", async || {
        let seen = counted(worker, "pulso_merged_total").await + counted(worker, "pulso_duplicates_total").await;
        (seen == 20).then_some(())
    })
    .await;
    assert_eq!(counted(worker, "pulso_stored_total").await, 0);
    for (table, expected) in &expected {
        assert_eq!(&rows(&pulso, table).await, expected, "what comes again changes nothing");
    }
    pulso.finish().await;
}

fn at_instant(body: &Value, at: DateTime<Utc>) -> Value {
    let mut body = body.clone();
    body["timestamp"] = json!(at);
    body
}

#[tokio::test]
async fn each_item_is_counted_once_as_a_row_a_merge_or_a_duplicate() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    let at = hours_ago(1);
    // One row, one merge and one duplicate within a batch; then the same against the table.
    post(
        &device,
        "/readings",
        &json!([
            {"timestamp": at, "temperature": 1}, {"timestamp": at, "humidity": 2}, {"timestamp": at, "humidity": 3},
        ]),
    )
    .await;
    pulso.restart_worker().await;
    pulso.stored(1).await;
    let later = at + TimeDelta::seconds(1);
    for body in [
        json!([{"timestamp": at, "voltage": 4}]),
        json!([{"timestamp": at, "voltage": 5}]),
        json!([{"timestamp": at, "current": 6}, {"timestamp": later, "current": 7}]),
    ] {
        let _ = post_stored(&device, "/readings", &body).await;
    }
    let worker = pulso.worker.as_mut().unwrap();
    for (counter, expected) in [("pulso_stored_total", 2), ("pulso_merged_total", 3), ("pulso_duplicates_total", 2)] {
        let reached = async || (counted(worker, counter).await == expected).then_some(());
        eventually(counter, reached).await;
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_row_has_room_for_the_metrics_of_four_readings_and_what_is_beyond_is_told() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let at = hours_ago(1);
    let metrics = |first: i32, count: i32| -> Value {
        let named: BTreeMap<_, _> = (first..first + count).map(|n| (format!("m{n}"), n)).collect();
        json!({"timestamp": at, "metrics": named})
    };
    for first in [0, 32, 64] {
        assert_eq!(post_stored(&device, "/readings", &json!([metrics(first, 32)])).await, json!([]));
    }
    for (first, count, conflicting) in
        [(90, 31, json!([])), (120, 8, json!([])), (120, 9, json!([0])), (128, 1, json!([0])), (3, 30, json!([]))]
    {
        let body = json!([metrics(first, count)]);
        assert_eq!(post_stored(&device, "/readings", &body).await, conflicting, "{count} from m{first}");
    }
    let count = "SELECT count(*) FROM readings, jsonb_object_keys(metrics)";
    assert_eq!(pulso.database.count(count).await, 128);
    pulso.finish().await;
}

#[tokio::test]
async fn workers_that_put_the_same_rows_together_at_the_same_time_lose_no_value_and_wait_for_nobody() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    // Each array has one metric of the same 60 instants; some go forwards, some backwards.
    for n in 0..24 {
        let mut body: Vec<_> = (0..60)
            .map(|second| json!({"timestamp": hours_ago(1) + TimeDelta::seconds(second), "metrics": {format!("m{n}"): n}}))
            .collect();
        if n % 2 == 0 {
            body.reverse();
        }
        while device.client.post("/readings", &json!(body)).await.status == 429 {}
    }
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(pulso.start_another_worker().await);
    }
    pulso.restart_worker().await;
    let whole = "SELECT count(*) FROM readings WHERE (SELECT count(*) FROM jsonb_object_keys(metrics)) = 24";
    eventually("every row is whole", async || (pulso.database.count(whole).await == 60).then_some(())).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM readings").await, 60);
    for mut worker in others {
        assert!(!worker.has_logged("retrying"), "{}", worker.log());
        worker.terminate().await;
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_value_that_comes_after_its_hour_was_rolled_up_is_in_every_answer_at_once_and_for_good() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let (hour, nine_years) = (hours_ago(5), hours_ago(9 * 365 * 24));
    for hour in [hour, nine_years] {
        let rows: Vec<_> = (0..4)
            .map(|n| json!({"timestamp": hour + TimeDelta::minutes(n), "temperature": 20 + n, "cpu": n}))
            .collect();
        let _ = post_stored(&device, "/readings", &json!(rows)).await;
        let _ = post_stored(&device, "/heartbeats", &json!(rows)).await;
    }
    let clean = "SELECT count(*) FROM dirty_buckets";
    let rolled = "SELECT count(*) FROM rollup_watermarks WHERE rolled_until > now() - interval '3 hours'";
    let all_rolled = async || {
        let is_rolled = pulso.database.count(rolled).await == 2 && pulso.database.count(clean).await == 0;
        is_rolled.then_some(())
    };
    eventually("all is rolled up", all_rolled).await;
    for hour in [hour, nine_years] {
        let (from, to) = (hour, hour + TimeDelta::minutes(59));
        let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let data = format!("/data?aggregation=hour&start_time={}&end_time={}", text(from), text(to));
        let chart = |kind: &str| {
            format!("/devices/{}/{kind}?aggregation=hour&start={}&end={}", device.id, text(from), text(to))
        };
        // Kept from here on.
        let before = user.get(&data).await.expect(200).body;
        assert_eq!(before, json!([{"timestamp": text(hour), "temperature": 21.5}]));
        let late: Vec<_> = (0..4)
            .map(|n| json!({"timestamp": hour + TimeDelta::minutes(n), "temperature": 90, "humidity": 50 + n, "latency": n}))
            .collect();
        assert_eq!(post_stored(&device, "/readings", &json!(late)).await, json!([0, 1, 2, 3]));
        assert_eq!(post_stored(&device, "/heartbeats", &json!(late)).await, json!([0, 1, 2, 3]));
        let check = async || {
            let point = json!({"timestamp": text(hour), "temperature": 21.5, "humidity": 51.5});
            assert_eq!(user.get(&data).await.expect(200).body, json!([point]));
            assert_eq!(user.get(&chart("readings")).await.expect(200).body, json!([point]));
            let point = json!({"timestamp": text(hour), "temperature": 21.5, "cpu_usage": 1.5, "latency": 1.5});
            assert_eq!(user.get(&chart("heartbeats")).await.expect(200).body, json!([point]));
        };
        check().await;
        eventually("all is rolled up again", all_rolled).await;
        check().await;
        check().await;
        let rollup = "SELECT count(*) FROM readings_hourly WHERE humidity_count = 4 AND temperature_max = 23";
        assert!(pulso.database.count(rollup).await > 0);
    }
    pulso.finish().await;
}

/// What happens in the property.
#[derive(Debug, Clone)]
enum Event {
    /// An array arrives; `ack`: and its commit is waited for.
    Send { items: Vec<Item>, ack: bool },
    /// The worker is killed, whatever it was doing, and another one started.
    Kill,
}

#[derive(Debug, Clone)]
struct Item {
    instant: usize,
    values: BTreeMap<&'static str, i32>,
}

/// In the open hour, in closed ones, and in the default partition.
const INSTANTS: [i64; 5] = [-20, -21, -5 * 3_600, -26 * 3_600, -9 * 365 * 86_400];
const FIELDS: [&str; 6] = ["temperature", "humidity", "voltage", "current", "m1", "m2"];

fn event() -> impl Strategy<Value = Event> {
    let values = prop::collection::btree_map(prop::sample::select(&FIELDS[..]), 0..3_i32, 1..4);
    let item = (0..INSTANTS.len(), values).prop_map(|(instant, values)| Item { instant, values });
    let send = (prop::collection::vec(item, 1..6), prop::bool::weighted(0.3));
    prop_oneof![5 => send.prop_map(|(items, ack)| Event::Send { items, ack }), 1 => Just(Event::Kill)]
}

#[test]
fn rows_are_those_of_the_first_values_whatever_the_batches_and_the_deaths() {
    let config = Config { cases: 3, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(config)
        .run(&prop::collection::vec(event(), 15..30), |events| {
            runtime.block_on(play(events));
            Ok(())
        })
        .unwrap();
}

async fn play(events: Vec<Event>) {
    let mut pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let started = now();
    // The model: of each instant, each metric's first value.
    let mut model: BTreeMap<DateTime<Utc>, BTreeMap<&str, i32>> = BTreeMap::new();
    for event in events {
        let Event::Send { items, ack } = event else {
            pulso.worker.as_mut().unwrap().kill().await;
            pulso.restart_worker().await;
            continue;
        };
        let (mut body, mut conflicting) = (Vec::new(), Vec::new());
        for (index, Item { instant, values }) in items.into_iter().enumerate() {
            let at = started + TimeDelta::seconds(INSTANTS[instant]);
            let mut item = json!({"timestamp": at, "metrics": {}});
            let row = model.entry(at).or_default();
            let mut conflicts = false;
            for (field, value) in values {
                let place = if field.starts_with('m') { &mut item["metrics"][field] } else { &mut item[field] };
                *place = json!(value);
                conflicts |= *row.entry(field).or_insert(value) != value;
            }
            body.push(item);
            if conflicts {
                conflicting.push(index);
            }
        }
        if ack {
            assert_eq!(post_stored(&device, "/readings", &json!(body)).await, json!(conflicting));
        } else {
            post(&device, "/readings", &json!(body)).await;
        }
    }
    // Behind all others in the queue: when it is stored, they are.
    let _ = post_stored(&device, "/heartbeats", &json!([{}])).await;
    let stored: Vec<BTreeMap<String, Value>> = rows(&pulso, "readings").await.into_iter().map(flat).collect();
    let expected: Vec<BTreeMap<String, Value>> = model
        .into_values()
        .map(|row| row.into_iter().map(|(field, value)| (field.to_owned(), json!(f64::from(value)))).collect())
        .collect();
    assert_eq!(stored, expected);
    pulso.finish().await;
}

/// A row with its metrics beside its columns.
fn flat(row: Value) -> BTreeMap<String, Value> {
    let mut fields = row.as_object().unwrap().clone();
    if let Some(Value::Object(metrics)) = fields.remove("metrics") {
        fields.extend(metrics);
    }
    fields.into_iter().collect()
}
