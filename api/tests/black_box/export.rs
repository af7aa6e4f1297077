//! `GET /data`: the readings of all devices together.

use std::collections::BTreeMap;

use pulso_testkit::{Answer, Client, Device, Options, Pulso};
use serde_json::{Value, json};

use crate::support::readings::{at, points, rolled_up, send_readings, two_rolled_up_devices};

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
        let line = metrics.lines().find_map(|line| line.strip_prefix("pulso_export_cache_hits_total "));
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
