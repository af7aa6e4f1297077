//! What devices sent, read back.

use pulso_testkit::{Answer, Client, Pulso};
use serde_json::{Value, json};

use crate::support::readings::send_readings;
use crate::support::time::seconds_from_now;

/// Numbers that lose a digit in many a hand.
const DIGITS: [&str; 8] = [
    "20.250586043260622",
    "0.30000000000000004",
    "63.00000000000001",
    "99.99999999999999",
    "41.3",
    "0.1",
    "7.105427357601002e-15",
    "33.333333333333336",
];

fn minute(number: i64) -> String {
    format!("2026-01-10T12:{number:02}:00Z")
}

fn minutes(answer: &Answer) -> Vec<i64> {
    let rows = answer.body.as_array().unwrap().iter();
    rows.map(|row| row["timestamp"].as_str().unwrap().get(14..16).unwrap().parse().unwrap()).collect()
}

/// Follows the links from `address` on.
async fn all_pages(client: &Client, address: &str) -> Vec<i64> {
    let (mut page, mut seen) = (Some(address.to_owned()), Vec::new());
    while let Some(address) = page {
        let answer = client.get(&address).await.expect(200);
        seen.extend(minutes(&answer));
        page = answer.next_page();
    }
    seen
}

#[tokio::test]
async fn numbers_come_back_with_the_digits_they_were_sent_with() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let (mut heartbeats, mut readings) = (Vec::new(), Vec::new());
    for (number, digits) in (0..).zip(DIGITS) {
        let (at, named) = (minute(number), format!(r#""metrics": {{"pm2.5": {digits}}}"#));
        let temperature = format!(r#""timestamp": "{at}", "temperature": -{digits}"#);
        heartbeats.push(format!(r#"{{{temperature}, "cpu": {digits}, "latency": {digits}}}"#));
        readings.push(format!(r#"{{{temperature}, "humidity": {digits}, {named}}}"#));
    }
    let _ = device.client.post_raw("/heartbeats", format!("[{}]", heartbeats.join(","))).await.expect(202);
    let _ = device.client.post_raw("/readings", format!("[{}]", readings.join(","))).await.expect(202);
    pulso.stored(16).await;
    let heartbeats = user.get(&format!("/devices/{}/heartbeats?order=asc", device.id)).await.expect(200);
    let readings = user.get(&format!("/devices/{}/readings?order=asc", device.id)).await.expect(200);
    for (answer, field) in [
        (&heartbeats, "cpu_usage\":"),
        (&heartbeats, "latency\":"),
        (&heartbeats, "temperature\":-"),
        (&readings, "temperature\":-"),
        (&readings, "humidity\":"),
        (&readings, "pm2.5\":"),
    ] {
        let sent = answer.text.split(field).skip(1).map(|rest| rest.split([',', '}']).next().unwrap());
        assert_eq!(sent.collect::<Vec<_>>(), DIGITS, "{field}");
    }
    // The newest row comes by another way: so does a device's own page.
    let latest = user.get(&format!("/devices/{}/latest", device.id)).await.expect(200);
    let page = user.get(&format!("/devices/{}", device.id)).await.expect(200);
    for (answer, field) in [&latest, &page].into_iter().flat_map(|answer| ["cpu_usage", "pm2.5"].map(|f| (answer, f))) {
        assert!(answer.text.contains(&format!("{field}\":33.333333333333336")), "{field}: {}", answer.text);
    }
    assert!(heartbeats.body[0].get("ram_usage").is_none() && heartbeats.body[0]["received_at"].is_string());
    pulso.finish().await;
}

#[tokio::test]
async fn a_history_is_read_in_either_order_in_pages_and_between_two_instants() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let (device, bystander) = (user.new_device().await, user.new_device().await);
    let backlog: Vec<_> = (0..10).map(|number| json!({"timestamp": minute(number), "cpu": number})).collect();
    let _ = device.client.post("/heartbeats", &json!(backlog)).await.expect(202);
    let _ = bystander.client.post("/heartbeats", &json!({"timestamp": minute(3)})).await.expect(202);
    let _ = device.client.post("/readings", &json!({"timestamp": minute(4), "voltage": 0})).await.expect(202);
    pulso.stored(12).await;
    let path = format!("/devices/{}/heartbeats", device.id.to_lowercase());
    let read = async |query: &str| user.get(&format!("{path}?{query}")).await.expect(200);

    let (start, end) = (minute(2), minute(5));
    for (query, expected) in [
        (String::new(), &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0][..]),
        ("order=asc&limit=3".into(), &[0, 1, 2]),
        ("order=desc&limit=3".into(), &[9, 8, 7]),
        (format!("start={start}&end={end}"), &[5, 4, 3, 2]),
        (format!("start={start}&end={start}"), &[2]),
        (format!("start={end}&order=asc"), &[5, 6, 7, 8, 9]),
        (format!("end={start}"), &[2, 1, 0]),
        // The same instants in other words: with an offset, escaped or not, and without one.
        ("start=2026-01-10T14:02:00%2B02:00&end=2026-01-10T14:05:00+02:00".into(), &[5, 4, 3, 2]),
        ("start=2026-01-10T12:02:00.000001&end=2026-01-10T12:05:00.999999".into(), &[5, 4, 3]),
        ("start=2027-01-01T00:00:00Z".into(), &[]),
        ("end=1970-01-01T00:00:00Z".into(), &[]),
    ] {
        assert_eq!(minutes(&read(&query).await), expected, "{query}");
    }

    // Pages, while newer rows come in: the newest-first reader is not disturbed, the oldest-first one gets them.
    let first = read("limit=4").await;
    let early = read("limit=4&order=asc").await;
    let newer: Vec<_> = (10..13).map(|number| json!({"timestamp": minute(number)})).collect();
    let _ = device.client.post("/heartbeats", &json!(newer)).await.expect(202);
    pulso.stored(15).await;
    assert_eq!(all_pages(&user, &first.next_page().unwrap()).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(all_pages(&user, &early.next_page().unwrap()).await, (4..13).collect::<Vec<_>>());
    let inside = format!("{path}?start={start}&end={end}&limit=1");
    assert_eq!(all_pages(&user, &inside).await, [5, 4, 3, 2]);
    assert_eq!(minutes(&user.get(&format!("/devices/{}/readings", device.id)).await.expect(200)), [4]);

    let refused = user.get(&format!("{path}?start={end}&end={start}")).await.expect(422);
    assert!(refused.body["detail"].as_str().unwrap().contains("Start time cannot be after end time"));
    assert_eq!(refused.faults(), [("/start".to_owned(), "after_end".to_owned())]);
    let faults = user.get(&format!("{path}?start=x&end=y&order=z&limit=0")).await.expect(422).faults();
    let expected = [("/end", "invalid"), ("/limit", "out_of_range"), ("/order", "invalid"), ("/start", "invalid")];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    for bad in ["limit=1001", "limit=x", "cursor=x", "cursor=7fffffffffffffff", "start=1700000000", "end=%00", "start="]
    {
        let _ = user.get(&format!("{path}?{bad}")).await.expect(422);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_device_reads_its_own_history_and_nobody_elses() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let (device, sister) = (user.new_device().await, user.new_device().await);
    let silent = user.get(&format!("/devices/{}/latest", device.id)).await.expect(200);
    assert_eq!(silent.body, json!({"device_id": device.id, "heartbeat": null, "reading": null}));
    let _ = device.client.post("/heartbeats", &json!({"timestamp": seconds_from_now(-5), "cpu": 0})).await.expect(202);
    pulso.stored(1).await;
    for what in ["latest", "heartbeats", "readings"] {
        let own = format!("/devices/{}/{what}", device.id);
        let by_device = device.client.get(&own).await.expect(200);
        assert_eq!(by_device.body, user.get(&own).await.expect(200).body);
        let _ = sister.client.get(&own).await.expect(404);
        let refused = pulso.client.get(&own).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let _ = pulso.client.with_token("nonsense").get(&own).await.expect(401);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_history_comes_as_csv_too_and_with_the_numbers_that_are_asked_for() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    send_readings(&device).await;
    pulso.stored(4).await;
    let path = format!("/devices/{}/readings", device.id);
    let csv = async |query: &str| user.get_with(&format!("{path}{query}"), "Accept", "text/csv").await.expect(200);
    let raw = csv("?limit=2&order=asc").await;
    assert_eq!(raw.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let lines: Vec<_> = raw.text.split("\r\n").collect();
    assert_eq!(lines[0], "timestamp,temperature,humidity,voltage,current,metrics,received_at");
    assert!(lines[1].starts_with("2024-03-10T10:00:00Z,20.0,,0.0,,\"{\"\"pm2.5\"\":7.0}\",2"), "{}", raw.text);
    assert_eq!(lines.len(), 4);
    let next = user.get_with(&raw.next_page().unwrap(), "Accept", "text/csv").await.expect(200);
    assert!(next.text.contains("10:30:00Z,27.0,50.0"), "{}", next.text);
    let some = csv("?metrics=o/3,temperature&limit=1").await;
    assert!(
        some.text.starts_with("timestamp,o/3,temperature,received_at\r\n2024-03-10T11:59:59.999999Z,1.0,-10.5,2"),
        "{}",
        some.text
    );
    let hours = csv("?aggregation=hour&metrics=temperature,humidity").await;
    assert_eq!(
        hours.text,
        "timestamp,temperature,humidity\r\n2024-03-10T10:00:00Z,23.0,50.0\r\n2024-03-10T11:00:00Z,-10.5,\r\n"
    );
    let rows = user.get(&format!("{path}?metrics=voltage&order=asc")).await.expect(200).body;
    assert_eq!(
        (&rows[0]["voltage"], &rows[0]["temperature"], &rows[0]["metrics"]),
        (&json!(0.0), &Value::Null, &Value::Null)
    );
    assert_eq!(rows.as_array().unwrap().len(), 4);
    pulso.finish().await;
}

#[tokio::test]
async fn a_row_that_moves_into_a_partition_of_its_own_is_never_missed() {
    let pulso = crate::support::start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso
        .database
        .execute(
            "INSERT INTO heartbeats (device_id, ts, received_at, cpu_usage)
             SELECT id, '2024-01-01Z', now(), 41 FROM devices;
             UPDATE device_state SET heartbeat_ts = '2024-01-01Z'",
        )
        .await;
    // As a worker creates a partition, up to its commit.
    pulso
        .database
        .execute(
            "BEGIN;
             CREATE TABLE heartbeats_20240101 (LIKE heartbeats INCLUDING ALL);
             LOCK TABLE heartbeats_default IN ACCESS EXCLUSIVE MODE;
             WITH moved AS (DELETE FROM heartbeats_default RETURNING *)
             INSERT INTO heartbeats_20240101 SELECT * FROM moved;
             ALTER TABLE heartbeats ATTACH PARTITION heartbeats_20240101 FOR VALUES FROM ('2024-01-01Z') TO ('2024-01-02Z')",
        )
        .await;
    let read = |path: String| {
        let client = device.client.clone();
        tokio::spawn(async move { client.get(&path).await.expect(200).body })
    };
    let page = read(format!("/devices/{}/heartbeats", device.id));
    let latest = read(format!("/devices/{}/latest", device.id));
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    pulso_testkit::eventually("both wait", async || {
        // A transaction looks at these statistics once.
        pulso.database.execute("SELECT pg_stat_clear_snapshot()").await;
        (pulso.database.count(waiting).await == 2).then_some(())
    })
    .await;
    pulso.database.execute("COMMIT").await;
    assert_eq!(page.await.unwrap()[0]["cpu_usage"], 41.0);
    assert_eq!(latest.await.unwrap()["heartbeat"]["cpu_usage"], 41.0);
    pulso.finish().await;
}
