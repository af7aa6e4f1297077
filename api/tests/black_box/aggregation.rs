//! Histories aggregated by step, statistic and time zone.

use pulso_testkit::{Pulso, eventually};
use serde_json::json;

use crate::support::readings::{at, points, rolled_up, send_readings, two_rolled_up_devices};

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
async fn a_deleted_device_leaves_no_rollups() {
    let pulso = Pulso::start().await;
    let (user, gone, _kept) = two_rolled_up_devices(&pulso).await;
    let _ = user.delete(&format!("/devices/{}", gone.id)).await.expect(204);
    let left = "SELECT (SELECT count(*) FROM readings) + (SELECT count(*) FROM readings_hourly)
                + (SELECT count(*) FROM readings_minutely)";
    eventually("it is purged", async || (pulso.database.count(left).await == 4 + 2 + 3).then_some(())).await;
    pulso.finish().await;
}
