//! Means are exact: the same of raw rows, of rollups and from the cache, and never outside minimum and maximum.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pulso_testkit::{Client, Device, Pulso, eventually};
use serde_json::{Value, json};

const UP: &str = include_str!("../../../migrations/2026-12-01-000120_make_rollup_sums_exact/up.sql");
const DOWN: &str = include_str!("../../../migrations/2026-12-01-000120_make_rollup_sums_exact/down.sql");

/// The whole hour so many hours ago.
fn hours_ago(hours: i64) -> DateTime<Utc> {
    let hour = pulso_shared::clock::Clock::system().now().timestamp().div_euclid(3_600) - hours;
    DateTime::from_timestamp(hour * 3_600, 0).unwrap()
}

/// Stores one reading or heartbeat a second, from `at` on, with these values of a field.
async fn store(device: &Device, path: &str, at: DateTime<Utc>, field: &str, values: &[f64]) {
    let item = |(second, value): (i64, &f64)| {
        let timestamp = at + TimeDelta::seconds(second);
        let fixed = ["temperature", "humidity", "voltage", "current", "latency", "cpu_usage"].contains(&field);
        if fixed {
            json!({"timestamp": timestamp, field: value})
        } else {
            json!({"timestamp": timestamp, "metrics": {field: value}})
        }
    };
    let body: Vec<_> = (0..).zip(values).map(item).collect();
    let _ = device.client.post(&format!("{path}?ack=stored&timeout_ms=30000"), &json!(body)).await.expect(200);
}

async fn all_is_rolled_up(pulso: &Pulso) {
    let rolled = "SELECT count(*) FROM rollup_watermarks WHERE rolled_until > now() - interval '3 hours'";
    let dirty = "SELECT count(*) FROM dirty_buckets";
    eventually("all is rolled up", async || {
        let is_rolled = pulso.database.count(rolled).await == 2 && pulso.database.count(dirty).await == 0;
        is_rolled.then_some(())
    })
    .await;
}

/// A field of each point of a device's history.
async fn chart(user: &Client, device: &Device, query: &str, field: &str) -> Vec<f64> {
    let body = user.get(&format!("/devices/{}/{query}", device.id)).await.expect(200).body;
    body.as_array().unwrap().iter().filter_map(|point| point[field].as_f64()).collect()
}

#[tokio::test]
async fn a_mean_is_that_of_the_decimals_as_they_were_sent() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    for (values, mean) in [
        (vec![23.1; 60], 23.1),
        (vec![0.1, 0.2, 0.3], 0.2),
        (vec![1.0, 1e100, 1.0, -1e100], 0.5),
        (vec![1e308, 1e308], 1e308),
        (vec![f64::MAX; 3], f64::MAX),
        (vec![f64::MAX, f64::MIN, 3.0], 1.0),
        (vec![5e-324, 5e-324], 5e-324),
        (vec![-0.0, 0.0], 0.0),
        (vec![1e16, 1.0, -1e16], 1.0 / 3.0),
        (vec![0.1 + 0.2; 7], 0.1 + 0.2),
        (vec![9_007_199_254_740_992.0, 1.0], 4_503_599_627_370_496.0),
    ] {
        let device = user.new_device().await;
        let hour = hours_ago(1);
        store(&device, "/readings", hour, "pm2.5", &values).await;
        for step in ["minute", "hour", "day"] {
            let query = format!("readings?metrics=pm2.5&aggregation={step}");
            let found = chart(&user, &device, &query, "pm2.5").await;
            if step == "hour" || values.len() < 60 {
                assert_eq!(found, [mean], "{step} of {values:?}");
            }
        }
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_mean_is_the_same_of_raw_rows_of_rollups_and_from_the_cache() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let first = hours_ago(30);
    let series: [(&[f64], f64); 5] = [
        (&[23.1; 60], 23.1),
        (&[3e-300, 2e6, -2e6], 1e-300),
        (&[0.1, 0.7, 0.1, 0.7, 0.1], 0.34),
        (&[1.1, 2.2, 3.3, 4.4], 2.75),
        (&[-1e6, 3e-6, 1e6], 1e-6),
    ];
    for (hour, (values, _)) in (0..).zip(&series) {
        store(&device, "/readings", first + TimeDelta::hours(hour), "voltage", values).await;
        store(&device, "/heartbeats", first + TimeDelta::hours(hour), "temperature", &values.map_to_celsius()).await;
    }
    let text = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let data =
        format!("/data?aggregation=hour&start_time={}&end_time={}", text(first), text(first + TimeDelta::hours(6)));
    let means = async || {
        let mut found = Vec::new();
        let hourly = chart(&user, &device, "readings?aggregation=hour", "voltage").await;
        found.push(hourly);
        for query in [data.clone(), format!("{data}&group_by=server"), data.clone()] {
            let body = user.get(&query).await.expect(200).body;
            found.push(body.as_array().unwrap().iter().map(|point| point["voltage"].as_f64().unwrap()).collect());
        }
        found
    };
    let days = async || {
        let mut found = Vec::new();
        for (query, field) in [
            ("readings?aggregation=day&tz=America/New_York", "voltage"),
            ("readings?aggregation=day&tz=Asia/Kolkata", "voltage"),
            ("readings?aggregation=hour&tz=Asia/Kathmandu", "voltage"),
            ("heartbeats?aggregation=hour", "temperature"),
            ("heartbeats?aggregation=day", "temperature"),
        ] {
            found.push(chart(&user, &device, query, field).await);
        }
        found
    };
    let expected: Vec<_> = series.iter().map(|(_, mean)| *mean).collect();
    let of_raw = days().await;
    assert_eq!(means().await, vec![expected.clone(); 4]);
    all_is_rolled_up(&pulso).await;
    assert_eq!((means().await, days().await), (vec![expected.clone(); 4], of_raw));
    assert_eq!(means().await, vec![expected; 4], "from the cache");
    pulso.finish().await;
}

trait Celsius {
    /// The same within the range of a temperature.
    fn map_to_celsius(&self) -> Vec<f64>;
}

impl Celsius for &[f64] {
    fn map_to_celsius(&self) -> Vec<f64> {
        self.iter().map(|value| value.clamp(-273.15, 10_000.0)).collect()
    }
}

/// Numbers of every size, near each other and far apart, in hours of a voltage.
fn hours() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let number = prop_oneof![
        -2e6..2e6_f64,
        23.0..23.2_f64,
        (-3_000_i32..3_000).prop_map(|tenths| f64::from(tenths) / 10.0),
        (1.0..2.0_f64, -300..0_i32).prop_map(|(digits, exponent)| digits * 10_f64.powi(exponent)),
        Just(-2e6),
        Just(2e6),
    ];
    let same = (number.clone(), 1..40_usize).prop_map(|(number, count)| vec![number; count]);
    prop::collection::vec(prop_oneof![prop::collection::vec(number, 1..30), same], 20)
}

#[tokio::test]
async fn a_mean_lies_between_minimum_and_maximum_whatever_path_made_it() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let all = hours().new_tree(&mut TestRunner::default()).unwrap().current();
    for (hour, values) in (30..).zip(&all) {
        store(&device, "/readings", hours_ago(hour), "voltage", values).await;
    }
    let ask = async |step: &str, zone: &str| {
        let mut of_stat = Vec::new();
        for stat in ["min", "avg", "max"] {
            let query = format!("readings?aggregation={step}&tz={zone}&stat={stat}");
            of_stat.push(chart(&user, &device, &query, "voltage").await);
        }
        let points = of_stat[0].iter().zip(&of_stat[1]).zip(&of_stat[2]);
        for ((min, mean), max) in points {
            assert!(min <= mean && mean <= max, "{min:e} {mean:e} {max:e} of {all:?}");
        }
        of_stat
    };
    let mut of_raw = BTreeMap::new();
    let questions =
        [("minute", "UTC"), ("hour", "UTC"), ("day", "UTC"), ("day", "Asia/Kolkata"), ("hour", "Asia/Kolkata")];
    for question in questions {
        let _ = of_raw.insert(question, ask(question.0, question.1).await);
    }
    let same: Vec<_> = all.iter().rev().filter(|values| values.iter().all(|value| value == &values[0])).collect();
    let hourly = &of_raw[&("hour", "UTC")][1];
    for values in same {
        assert!(hourly.contains(&values[0]), "the mean of equal values is that value: {:e}", values[0]);
    }
    all_is_rolled_up(&pulso).await;
    for question in questions {
        assert_eq!(&ask(question.0, question.1).await, &of_raw[&question], "{question:?}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn rollups_of_an_earlier_version_are_computed_anew_where_there_are_raw_rows() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    for hour in [400, 30, 4] {
        store(&device, "/readings", hours_ago(hour), "voltage", &[23.1; 60]).await;
        store(&device, "/heartbeats", hours_ago(hour), "latency", &[23.1; 60]).await;
    }
    all_is_rolled_up(&pulso).await;
    pulso.worker.as_mut().unwrap().terminate().await;
    // As if the first of them had no raw rows any more, and all were made by an earlier version.
    let cut = hours_ago(100).to_rfc3339();
    let earlier = format!(
        "UPDATE readings_hourly SET voltage_sum = 1385.9999999999993;
         UPDATE readings_minutely SET voltage_sum = 1385.9999999999993;
         UPDATE heartbeats_hourly SET latency_sum = 1385.9999999999993;
         DELETE FROM readings WHERE ts < '{cut}'; DELETE FROM heartbeats WHERE ts < '{cut}';
         UPDATE rollup_watermarks SET sums_are_exact = false, raw_from = '{cut}'"
    );
    pulso.database.execute(&earlier).await;
    let means = async || {
        let readings = chart(&user, &device, "readings?aggregation=hour", "voltage").await;
        (readings, chart(&user, &device, "heartbeats?aggregation=hour", "latency").await)
    };
    let rounded = 1385.9999999999993 / 60.0;
    assert_eq!(means().await.0, [rounded; 3]);
    pulso.restart_worker().await;
    let exact = vec![rounded, 23.1, 23.1];
    eventually("they are exact", async || {
        let found = means().await;
        // Each is there at every moment: where there is no rollup, raw rows answer.
        assert!(found.0.len() == 3 && found.1.len() == 3, "{found:?}");
        (found == (exact.clone(), exact.clone())).then_some(())
    })
    .await;
    all_is_rolled_up(&pulso).await;
    assert_eq!(means().await, (exact.clone(), exact));
    let kept = "SELECT count(*) FROM rollup_watermarks WHERE sums_are_exact";
    assert_eq!(pulso.database.count(kept).await, 2);
    let counted: Value = user.get(&format!("/devices/{}/readings?aggregation=hour&stat=count", device.id)).await.body;
    assert_eq!(counted[0]["voltage"], json!(60));
    pulso.finish().await;
}

#[tokio::test]
async fn a_sum_of_an_earlier_version_has_no_mean_outside_minimum_and_maximum() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    for (hour, values) in [(30, [23.1; 60]), (4, [1.5; 60])] {
        store(&device, "/readings", hours_ago(hour), "voltage", &values).await;
    }
    all_is_rolled_up(&pulso).await;
    pulso.worker.as_mut().unwrap().terminate().await;
    pulso.database.execute(DOWN).await;
    let types =
        "SELECT count(*) FROM information_schema.columns WHERE column_name LIKE '%\\_sum' AND data_type = 'numeric'";
    assert_eq!(pulso.database.count(types).await, 0);
    let below = "UPDATE readings_hourly SET voltage_sum = 1385.9999999999993 WHERE voltage_max > 20";
    pulso.database.execute(below).await;
    pulso.database.execute(UP).await;
    assert_eq!(pulso.database.count(types).await, 14);
    assert_eq!(chart(&user, &device, "readings?aggregation=hour", "voltage").await, [23.1, 1.5]);
    pulso.restart_worker().await;
    pulso.finish().await;
}
