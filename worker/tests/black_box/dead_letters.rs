//! What can never be stored goes to the dead letters with its reason, and its neighbours are stored.

use std::collections::BTreeSet;

use pulso_shared::clock::Clock;
use pulso_testkit::{Client, Options, Pulso, eventually};
use serde_json::{Value, json};

/// So many seconds ago, as devices say it.
fn ago(seconds: i64) -> String {
    (Clock::system().now() - chrono::TimeDelta::seconds(seconds)).to_rfc3339()
}

async fn dead_letter(pulso: &Pulso) -> pulso_testkit::DeadLetter {
    eventually("a dead letter", async || pulso.broker.take_dead_letter().await).await
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_dead_lettered_as_they_came() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for (message_type, body, reason) in [
        ("pulso.telemetry.v2", "not json", "undecodable"),
        ("pulso.telemetry.v2", r#"[["r",0,[["x",0,null,null,null,null,null,null,null]],[]]]"#, "undecodable"),
        ("pulso.telemetry.v1", r#"[{"request_id":"r","received_at":"now"}]"#, "undecodable"),
        ("pulso.telemetry.v9", "[]", "unknown message type pulso.telemetry.v9"),
    ] {
        pulso.broker.publish(message_type, body.as_bytes()).await;
        let dead = dead_letter(&pulso).await;
        assert!(dead.reason.contains(reason), "{}", dead.reason);
        assert_eq!(dead.body, body);
    }
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_submission_that_cannot_be_read_is_dead_lettered_without_its_neighbours() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let of = |request_id: &str, ts: Value| {
        let heartbeat = json!([device.id, ts, null, null, null, null, null, null, null]);
        json!([request_id, 0, [heartbeat], []])
    };
    let bad = of("bad", json!("today"));
    let body = json!([of("good", json!(1_000_000)), bad, of("good", json!(2_000_000))]);
    pulso.broker.publish("pulso.telemetry.v2", body.to_string().as_bytes()).await;
    pulso.stored(2).await;
    let dead = dead_letter(&pulso).await;
    assert!(dead.reason.contains("undecodable"), "{}", dead.reason);
    assert_eq!(serde_json::from_str::<Value>(&dead.body).unwrap(), json!([bad]));
    pulso.finish().await;
}

#[tokio::test]
async fn messages_of_the_version_before_are_stored() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let heartbeat = json!({"device_id": device.id, "ts": 1_000_000, "cpu_usage": 13});
    let reading = json!({"device_id": device.id, "ts": 2_000_000, "voltage": 230, "metrics": {"pm2.5": 7}});
    let body = json!([{"request_id": "r", "received_at": 0, "heartbeats": [heartbeat]},
        {"request_id": "s", "received_at": 0, "readings": [reading]}]);
    pulso.broker.publish("pulso.telemetry.v1", body.to_string().as_bytes()).await;
    pulso.stored(2).await;
    let same = "SELECT count(*) FROM heartbeats h, readings r WHERE h.cpu_usage = 13 AND r.voltage = 230
        AND r.metrics = '{\"pm2.5\": 7.0}'";
    assert_eq!(pulso.database.count(same).await, 1);
    pulso.finish().await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_found_among_its_neighbours() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute("ALTER TABLE heartbeats ADD CONSTRAINT no_13 CHECK (cpu_usage <> 13)").await;
    let body: Vec<_> =
        (0..50).map(|cpu| json!({"timestamp": format!("2026-01-01T00:00:{cpu:02}Z"), "cpu": cpu})).collect();
    let _ = device.client.post("/heartbeats", &json!(body)).await.expect(202);
    pulso.stored(49).await;
    let dead = dead_letter(&pulso).await;
    assert!(dead.reason.contains("no_13") && dead.reason.contains("23514"), "{}", dead.reason);
    assert!(dead.body.contains(",13.0,"), "{}", dead.body);

    // Its body is such as the API would send it: with the constraint gone it can be sent again.
    pulso.database.execute("ALTER TABLE heartbeats DROP CONSTRAINT no_13").await;
    pulso.broker.publish("pulso.telemetry.v2", dead.body.as_bytes()).await;
    pulso.stored(50).await;
    pulso.finish().await;
}

/// The worker's own address, for its metrics.
async fn operations(pulso: &mut Pulso) -> Client {
    let address = pulso.worker.as_mut().unwrap().logged("health and metrics", "address").await;
    Client::new(format!("http://{address}"))
}

/// Waits until a metric of the worker has that value.
async fn counts(operations: &Client, metric: &str, value: u32) {
    let line = format!("{metric} {value}");
    eventually(&line, async || {
        let metrics = operations.get("/metrics").await.expect(200).text;
        metrics.lines().any(|found| found == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn readings_of_a_device_deleted_meanwhile_are_dropped_and_counted_and_others_stored() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let (kept, deleted) = (user.new_device().await, user.new_device().await);
    pulso.worker.as_mut().unwrap().kill().await;
    let of_deleted: Vec<_> = (0..500).map(|n| json!({"timestamp": ago(n + 1), "cpu": 2})).collect();
    let _ = deleted.client.post("/heartbeats", &json!(of_deleted)).await.expect(202);
    let _ = kept.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    let _ = user.delete(&format!("/devices/{}", deleted.id)).await.expect(204);
    pulso.restart_worker().await;
    pulso.stored(1).await;
    let worker = operations(&mut pulso).await;
    counts(&worker, "pulso_dropped_total{reason=\"device_gone\"}", 500).await;
    eventually("all is acknowledged", async || (pulso.broker.depth("store").await == 0).then_some(())).await;
    let lines = pulso.worker.as_ref().unwrap().count_logged("rows of deleted devices dropped");
    assert!(
        (1..=2).contains(&lines),
        "one line for each batch, of which there is at most one for each message: {lines}"
    );
    assert_eq!(pulso.database.count("SELECT count(*) FROM dead_letter_outbox").await, 0);
    pulso.finish().await;
}

#[tokio::test]
async fn a_full_dead_letter_queue_holds_up_no_storing_and_loses_no_letter() {
    // A quorum queue takes a message as long as it is not full yet: this one takes one at a time.
    let queues = vec![("dead", "x-max-length-bytes", 1)];
    let mut pulso = Pulso::start_with(Options { queues, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute("ALTER TABLE heartbeats ADD CONSTRAINT no_13 CHECK (cpu_usage <> 13)").await;
    // More messages with a poison row than the worker may have unacknowledged (32).
    for n in 0..40 {
        let body = json!([{"timestamp": ago(2 * n + 2), "cpu": 13}, {"timestamp": ago(2 * n + 1), "cpu": n}]);
        let _ = device.client.post("/heartbeats", &body).await.expect(202);
    }
    pulso.stored(39).await;
    let count = "SELECT count(*) FROM dead_letter_outbox";
    eventually("the letters wait", async || (pulso.database.count(count).await == 40).then_some(())).await;
    let worker = operations(&mut pulso).await;
    counts(&worker, "pulso_dead_letters_waiting", 40).await;

    // They outlive the worker, and what comes meanwhile is stored.
    pulso.worker.as_mut().unwrap().kill().await;
    let _ = device.client.post("/heartbeats", &json!({"timestamp": ago(1_000), "cpu": 1})).await.expect(202);
    pulso.restart_worker().await;
    pulso.stored(40).await;
    assert_eq!(pulso.database.count(count).await, 40);

    // An operator makes room.
    let mut letters = BTreeSet::new();
    while letters.len() < 41 {
        let dead = dead_letter(&pulso).await;
        assert!(dead.reason.contains("no_13"), "{}", dead.reason);
        letters.insert(dead.body);
    }
    eventually("none waits", async || (pulso.database.count(count).await == 0).then_some(())).await;
    pulso.finish().await;
}

#[tokio::test]
async fn the_command_lists_replays_and_deletes() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute("ALTER TABLE heartbeats ADD CONSTRAINT no_13 CHECK (cpu_usage <> 13)").await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 13})).await.expect(202);
    eventually("a dead letter", async || (pulso.broker.depth("dead").await == 1).then_some(())).await;
    pulso.broker.publish("pulso.telemetry.v2", b"not json").await;
    eventually("two dead letters", async || (pulso.broker.depth("dead").await == 2).then_some(())).await;

    let command = |arguments: &[&str]| pulso.worker_command(&[&["dead-letters"], arguments].concat());
    let (code, shown, complaint) = command(&["list"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert!(shown.contains("no_13") && shown.contains("1 readings") && shown.contains("not json"), "{shown}");
    assert!(shown.ends_with("2 of 2 dead letters\n"), "{shown}");
    let (_, in_full, _) = command(&["list", "--json", "--limit", "1"]);
    let letter: serde_json::Value = serde_json::from_str(&in_full).unwrap();
    assert_eq!((&letter["reason"], &letter["message_type"]), (&json!("refused"), &json!("pulso.telemetry.v2")));
    let (refused, undecodable) =
        (letter["id"].as_str().unwrap(), shown.lines().nth(2).unwrap().split(' ').next().unwrap());

    pulso.database.execute("ALTER TABLE heartbeats DROP CONSTRAINT no_13").await;
    assert_eq!(command(&["replay", refused]), (0, "1 replayed\n".to_owned(), String::new()));
    pulso.stored(1).await;
    assert_eq!(command(&["delete", undecodable]), (0, "1 deleted\n".to_owned(), String::new()));
    let (code, said, complaint) = command(&["delete", undecodable]);
    assert_eq!((code, said.as_str()), (1, "0 deleted\n"));
    assert!(complaint.contains(undecodable), "{complaint}");
    let (code, _, usage) = command(&["replay"]);
    assert!(code == 2 && usage.contains("--all"), "{usage}");
    assert_eq!(command(&["replay", "--all"]).1, "0 replayed\n");
    pulso.finish().await;
}

#[tokio::test]
async fn what_rabbitmq_itself_gave_up_is_seen_and_replayed_by_the_next_worker() {
    // As a queue of an earlier version, whose limit stays.
    let queues = vec![("store", "x-delivery-limit", 3)];
    let options = Options { without_worker: true, queues, ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let device = pulso.client.new_user().await.new_device().await;
    let _ =
        device.client.post("/heartbeats", &json!({"timestamp": "2026-01-01T00:00:00Z", "cpu": 1})).await.expect(202);
    pulso.broker.return_until_dead("store").await;
    let shown = || {
        let (code, shown, _) = pulso.worker_command(&["dead-letters", "list", "--json", "--limit", "1"]);
        assert_eq!(code, 0);
        serde_json::from_str::<Value>(shown.trim()).unwrap()
    };
    let letter = shown();
    assert_eq!((&letter["reason"], &letter["message_type"]), (&json!("delivery_limit"), &json!("pulso.telemetry.v2")));
    assert!(letter["died_at"].is_string(), "{letter}");
    assert_eq!(shown()["id"], letter["id"], "its id stays the same");
    pulso.restart_worker().await;
    pulso.stored(1).await;
    eventually("the broker's letters are replayed", async || (pulso.broker.depth("dead").await == 0).then_some(()))
        .await;
    pulso.finish().await;
}

#[tokio::test]
async fn no_number_of_returns_takes_a_message_out_of_a_new_queue() {
    let mut pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    // As often as workers that crash one after the other would return it.
    pulso.broker.return_to_queue("store", 300).await;
    assert_eq!(pulso.broker.depth("dead").await, 0);
    pulso.restart_worker().await;
    pulso.stored(1).await;
    pulso.finish().await;
}
