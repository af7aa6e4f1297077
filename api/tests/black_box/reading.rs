//! Histories aggregated, and the readings of all devices together.

use std::collections::BTreeMap;

use pulso_testkit::{Answer, Client, Device, Options, Pulso, eventually};
use serde_json::{Value, json};

fn at(time: &str) -> String {
    format!("2024-03-10T{time}Z")
}

/// Readings of two hours, with what is easily lost: zero, nothing at all, the last instant of an hour.
async fn send_readings(device: &Device) {
    let body = json!([
        {"timestamp": at("10:00:00"), "temperature": 20, "voltage": 0, "metrics": {"pm2.5": 7}},
        {"timestamp": at("10:00:59.999999"), "temperature": 22, "metrics": {"pm2.5": 1e308}},
        {"timestamp": at("10:30:00"), "temperature": 27, "humidity": 50, "metrics": {"pm2.5": 1e308}},
        {"timestamp": at("11:59:59.999999"), "temperature": -10.5, "metrics": {"o/3": 1}},
    ]);
    let _ = device.client.post("/readings", &body).await.expect(202);
}

/// Two devices of one person with these readings, stored and rolled up.
async fn two_rolled_up_devices(pulso: &Pulso) -> (Client, Device, Device) {
    let user = pulso.client.new_user().await;
    let (one, two) = (user.new_device().await, user.new_device().await);
    send_readings(&one).await;
    send_readings(&two).await;
    pulso.stored(8).await;
    rolled_up(pulso).await;
    (user, one, two)
}

/// Waits until no answer needs the raw rows of these hours any more.
async fn rolled_up(pulso: &Pulso) {
    let open = "SELECT (SELECT count(*) FROM dirty_buckets) + count(*) FROM rollup_watermarks
                WHERE rolled_until < now() - interval '2 hours' OR rolled_until < closed_until";
    eventually("all is rolled up", async || (pulso.database.count(open).await == 0).then_some(())).await;
}

async fn points(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).body
}

#[tokio::test]
async fn a_history_is_aggregated_by_step_statistic_and_zone_from_raw_rows_and_from_rollups_alike() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    send_readings(&device).await;
    pulso.stored(4).await;
    let readings = format!("/devices/{}/readings", device.id);
    // First while the hours may carry marks, then when they do not.
    for _ in 0..2 {
        assert_eq!(
            points(&user, &format!("{readings}?aggregation=hour")).await,
            json!([
                {"timestamp": at("10:00:00"), "temperature": 23.0, "humidity": 50.0, "voltage": 0.0},
                {"timestamp": at("11:00:00"), "temperature": -10.5},
            ])
        );
        assert_eq!(
            points(&user, &format!("{readings}?aggregation=minute&stat=count&metrics=temperature&order=desc")).await,
            json!([
                {"timestamp": at("11:59:00"), "temperature": 1},
                {"timestamp": at("10:30:00"), "temperature": 1},
                {"timestamp": at("10:00:00"), "temperature": 2},
            ])
        );
        // In Kathmandu (+05:45) a day begins at 18:15 UTC, an hour at a quarter past.
        let day = format!("{readings}?aggregation=day&stat=max&tz=Asia/Kathmandu&metrics=temperature");
        assert_eq!(points(&user, &day).await, json!([{"timestamp": "2024-03-09T18:15:00Z", "temperature": 27.0}]));
        let hours = points(&user, &day.replace("=day", "=hour")).await;
        let hours: Vec<_> = hours.as_array().unwrap().iter().map(|point| point["timestamp"].clone()).collect();
        assert_eq!(hours, [at("09:15:00"), at("10:15:00"), at("11:15:00")]);
        // A range cuts its first and last interval.
        let range = format!("start={}&end={}", at("10:00:30"), at("10:30:00"));
        assert_eq!(
            points(&user, &format!("{readings}?aggregation=day&stat=min&{range}")).await,
            json!([{"timestamp": "2024-03-10T00:00:00Z", "temperature": 22.0, "humidity": 50.0}])
        );
        rolled_up(&pulso).await;
    }
    assert!(pulso.database.count("SELECT count(*) FROM readings_hourly").await == 2);
    // Further numbers and percentiles are answered from raw rows, however large.
    let further = points(&user, &format!("{readings}?aggregation=day&metrics=pm2.5,o/3")).await;
    assert_eq!(further[0]["o/3"], json!(1.0));
    assert!((further[0]["pm2.5"].as_f64().unwrap() / 6.666_666_666_666_667e307 - 1.0).abs() < 1e-12, "{further}");
    let p95 = points(&user, &format!("{readings}?aggregation=hour&stat=p95&metrics=temperature")).await;
    assert_eq!(p95[0]["temperature"], json!(26.5));

    // A late row is in the answer from the moment it is stored.
    let _ = device.client.post("/readings", &json!({"timestamp": at("10:59:00"), "temperature": 23})).await.expect(202);
    pulso.stored(5).await;
    let count = format!("{readings}?aggregation=hour&stat=count&metrics=temperature");
    assert_eq!(points(&user, &count).await[0]["temperature"], json!(4));
    rolled_up(&pulso).await;
    assert_eq!(points(&user, &count).await[0]["temperature"], json!(4));
    pulso.finish().await;
}

#[tokio::test]
async fn auto_keeps_under_max_points_and_a_polled_answer_is_sent_once() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let heartbeats: Vec<_> = (0..200)
        .map(|n| json!({"timestamp": format!("2024-{:02}-{:02}T12:00:00Z", 1 + n / 28, 1 + n % 28), "cpu": n % 100}))
        .collect();
    let _ = device.client.post("/heartbeats", &json!(heartbeats)).await.expect(202);
    pulso.stored(200).await;
    let path = format!("/devices/{}/heartbeats?aggregation=auto", device.id);
    for (query, step, most) in [
        ("", "day", 1_000),
        ("&start=2024-01-01T00:00:00Z&end=2024-01-30T23:59:59Z", "hour", 1_000),
        ("&start=2024-01-01T00:00:00Z&end=2024-01-01T15:00:00Z", "minute", 1_000),
        ("&max_points=10&tz=Europe/Berlin", "28 days", 10),
    ] {
        let answer = user.get(&format!("{path}{query}")).await.expect(200);
        assert_eq!(answer.header("x-aggregation"), Some(step), "{query}");
        assert!((1..=most).contains(&answer.body.as_array().unwrap().len()), "{query}");
    }
    let first = user.get(&path).await.expect(200);
    let tag = first.header("etag").unwrap();
    assert!(user.get_with(&path, "If-None-Match", tag).await.expect(304).text.is_empty());
    let _ =
        device.client.post("/heartbeats", &json!({"timestamp": "2024-01-01T12:00:01Z", "cpu": 99})).await.expect(202);
    pulso.stored(201).await;
    let _ = user.get_with(&path, "If-None-Match", tag).await.expect(200);

    let minutes = format!("/devices/{}/heartbeats?aggregation=minute", device.id);
    assert_eq!(user.get(&minutes).await.expect(422).faults(), [("/aggregation".into(), "too_many_points".into())]);
    let _ = pulso.client.new_user().await.get(&path).await.expect(404);
    assert_eq!(device.client.get(&path).await.expect(200).body, user.get(&path).await.expect(200).body);
    assert_eq!(user.get(&path.replace("heartbeats", "readings")).await.expect(200).body, json!([]));
    let bad = "?aggregation=week&stat=mode&tz=UTC%2B3&max_points=2&metrics=cpu&limit=0";
    let faults = user.get(&format!("/devices/{}/heartbeats{bad}", device.id)).await.expect(422).faults();
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/aggregation", "/limit", "/max_points", "/metrics", "/stat", "/tz"]);
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
async fn a_deleted_device_leaves_no_rollups() {
    let pulso = Pulso::start().await;
    let (user, gone, _kept) = two_rolled_up_devices(&pulso).await;
    let _ = user.delete(&format!("/devices/{}", gone.id)).await.expect(204);
    let left = "SELECT (SELECT count(*) FROM readings) + (SELECT count(*) FROM readings_hourly)
                + (SELECT count(*) FROM readings_minutely)";
    eventually("it is purged", async || (pulso.database.count(left).await == 4 + 2 + 3).then_some(())).await;
    pulso.finish().await;
}

#[tokio::test]
async fn data_has_the_readings_of_all_my_servers_by_every_parameter() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let stranger = pulso.client.new_user().await.new_device().await;
    let (one, two) = (user.new_device().await, user.new_device().await);
    for device in [&one, &two, &stranger] {
        send_readings(device).await;
    }
    pulso.stored(12).await;
    let data = async |query: &str| user.get(&format!("/data{query}")).await.expect(200).body;
    let all = data("").await;
    let seen: Vec<_> = all.as_array().unwrap().iter().map(|row| (&row["timestamp"], &row["server_ulid"])).collect();
    assert_eq!(seen.len(), 8);
    assert!(seen.windows(2).all(|pair| pair[0].0.as_str() <= pair[1].0.as_str()), "oldest first");
    assert_eq!(
        all[0],
        json!({"timestamp": at("10:00:00"), "server_ulid": one.id, "temperature": 20.0, "voltage": 0.0, "metrics": {"pm2.5": 7.0}})
    );
    assert_eq!(
        data("/?sensor_type=voltage").await,
        json!([
            {"timestamp": at("10:00:00"), "server_ulid": one.id, "voltage": 0.0},
            {"timestamp": at("10:00:00"), "server_ulid": two.id, "voltage": 0.0},
        ])
    );
    let uuid = user.get(&format!("/devices/{}", two.id)).await.expect(200).body["uuid"].clone();
    let mine = data(&format!("?server_ulid={}&start_time={}", uuid.as_str().unwrap(), at("10:30:00"))).await;
    assert_eq!(mine.as_array().unwrap().len(), 2);
    assert!(mine.as_array().unwrap().iter().all(|row| row["server_ulid"] == two.id.as_str()));
    // Without an offset it is UTC, and both ends are included.
    let range = "start_time=2024-03-10T10:00:59.999999&end_time=2024-03-10T10:30:00";
    assert_eq!(data(&format!("?{range}")).await.as_array().unwrap().len(), 4);
    assert_eq!(data("?start_time=2030-01-01T00:00:00").await, json!([]));

    for _ in 0..2 {
        assert_eq!(
            data("?aggregation=hour").await,
            json!([
                {"timestamp": at("10:00:00"), "temperature": 23.0, "humidity": 50.0, "voltage": 0.0},
                {"timestamp": at("11:00:00"), "temperature": -10.5},
            ])
        );
        let grouped = data("?aggregation=day&group_by=server&sensor_type=temperature").await;
        let expected = |device: &Device| json!({"timestamp": "2024-03-10T00:00:00Z", "server_ulid": device.id, "temperature": 14.625});
        assert_eq!(grouped, json!([expected(&one), expected(&two)]));
        let minutes = data(&format!("?aggregation=minute&server_ulid={}&{range}", one.id)).await;
        assert_eq!(
            minutes,
            json!([
                {"timestamp": at("10:00:00"), "temperature": 22.0},
                {"timestamp": at("10:30:00"), "temperature": 27.0, "humidity": 50.0},
            ])
        );
        rolled_up(&pulso).await;
    }
    let polled = user.get("/data?aggregation=hour").await.expect(200);
    let _ = user.get_with("/data?aggregation=hour", "If-None-Match", polled.header("etag").unwrap()).await.expect(304);
    refusals(&pulso, &user, &one, &stranger).await;
    pulso.finish().await;
}

#[tokio::test]
async fn an_answer_about_a_time_that_is_over_is_kept_for_as_long_as_it_is_true() {
    let pulso = Pulso::start().await;
    let (user, one, two) = two_rolled_up_devices(&pulso).await;
    let day = "/data?aggregation=day&group_by=server&sensor_type=temperature&start_time=2024-03-10&end_time=2024-03-11";
    let day = day.replace("-10", "-10T00:00:00").replace("-11", "-11T00:00:00");
    let mean = |device: &Device, mean: f64| json!({"timestamp": "2024-03-10T00:00:00Z", "server_ulid": device.id, "temperature": mean});
    let reused = async || {
        let metrics = pulso.client.get("/metrics").await.expect(200).text;
        let line = metrics.lines().find_map(|line| line.strip_prefix("pulso_answers_reused_total "));
        line.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let first = user.get(&day).await.expect(200);
    assert_eq!(first.body, json!([mean(&one, 14.625), mean(&two, 14.625)]));
    assert_eq!(reused().await, 0);
    assert_eq!(user.get(&day).await.expect(200).body, first.body);
    let _ = user.get_with(&day, "If-None-Match", first.header("etag").unwrap()).await.expect(304);
    assert_eq!(reused().await, 2);
    // The same words from somebody else are another question.
    assert_eq!(points(&pulso.client.new_user().await, &day).await, json!([]));

    // A late row is in the next answer, before its hour is computed again and after.
    let late = json!([{"timestamp": at("13:00:00"), "temperature": 24.125}]);
    let _ = one.client.post("/readings?ack=stored", &late).await.expect(200);
    let with_it = json!([mean(&one, 16.525), mean(&two, 14.625)]);
    assert_eq!(points(&user, &day).await, with_it);
    rolled_up(&pulso).await;
    assert_eq!(points(&user, &day).await, with_it);
    assert_eq!(reused().await, 2);
    assert_eq!(points(&user, &day).await, with_it);
    assert_eq!(reused().await, 3);

    let _ = user.delete(&format!("/devices/{}", one.id)).await.expect(204);
    assert_eq!(points(&user, &day).await, json!([mean(&two, 14.625)]));
    // A time that is not over is never kept.
    let open = day.replace("2024-03-11", "2999-03-11");
    for _ in 0..2 {
        assert_eq!(points(&user, &open).await, json!([mean(&two, 14.625)]));
    }
    assert_eq!(reused().await, 3);
    pulso.finish().await;
}

async fn refusals(pulso: &Pulso, user: &Client, own: &Device, stranger: &Device) {
    let refused = user.get("/data?start_time=2024-03-11T00:00:00&end_time=2024-03-10T00:00:00").await.expect(422);
    assert_eq!(refused.body["detail"], "Start time cannot be after end time");
    let faults =
        user.get("/data?sensor_type=pressure&aggregation=week&group_by=x&server_ulid=1").await.expect(422).faults();
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/aggregation", "/group_by", "/sensor_type", "/server_ulid"]);
    let _ = user.get(&format!("/data?server_ulid={}", stranger.id)).await.expect(404);
    let _ = pulso.client.get("/data").await.expect(401);
    let _ = own.client.get("/data").await.expect(403);
    assert_eq!(pulso.client.new_user().await.get("/data").await.expect(200).body, json!([]));
}

#[tokio::test]
async fn a_long_answer_is_sent_whole_and_holds_no_connection_while_its_client_does_not_read() {
    let one_connection = Options { api: vec![("DATABASE_POOL_SIZE", "1".to_owned())], ..Options::default() };
    let pulso = Pulso::start_with(one_connection).await;
    let user = pulso.client.new_user().await;
    for _ in 0..3 {
        let _ = user.new_device().await;
    }
    // 60,000 rows; of some instants every device has one, of some very many lie close together, and years are empty.
    pulso
        .database
        .execute(
            "INSERT INTO readings (device_id, ts, received_at, temperature)
             SELECT id, instant, now(), n FROM devices, generate_series(1, 20000) AS n, LATERAL (SELECT
                 CASE WHEN n <= 15000 THEN '2019-05-05 05:05:05+00'::timestamptz + n * interval '1 microsecond'
                 ELSE '2023-01-01 00:00:00+00'::timestamptz + n * interval '1 hour' END) AS at (instant);
             INSERT INTO dirty_buckets SELECT 'readings', device_id, date_bin('1 hour', ts, '0001-01-01 00:00:00+00')
             FROM readings GROUP BY 1, 2, 3;
             UPDATE device_state SET reading_ts = (SELECT max(ts) FROM readings)",
        )
        .await;
    // Nobody reads on these.
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let response = user.request("GET".parse().unwrap(), "/data").send().await.unwrap();
        assert_eq!(response.status(), 200);
        stalled.push(response);
    }
    let _ = user.get("/devices").await.expect(200);
    let answer: Answer = user.get("/data").await.expect(200);
    let rows = answer.body.as_array().unwrap();
    assert_eq!(rows.len(), 60_000);
    let key = |row: &Value| {
        (row["timestamp"].as_str().unwrap().len(), row["timestamp"].to_string(), row["server_ulid"].to_string())
    };
    let mut per_device: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows {
        *per_device.entry(key(row).2).or_default() += 1;
    }
    assert!(per_device.values().all(|count| *count == 20_000), "{per_device:?}");
    let instant = |row: &Value| row["timestamp"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(rows.windows(2).all(|pair| {
        (instant(&pair[0]), pair[0]["server_ulid"].as_str()) < (instant(&pair[1]), pair[1]["server_ulid"].as_str())
    }));
    // Means of every minute of years come in pieces too.
    let minutes = user.get("/data?aggregation=minute&group_by=server").await.expect(200).body;
    assert_eq!(minutes.as_array().unwrap().len(), 3 * 5_001);
    drop(stalled);
    pulso.finish().await;
}
