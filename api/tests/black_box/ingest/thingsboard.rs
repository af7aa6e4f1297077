//! ThingsBoard's form, `{"ts": …, "values": {…}}`, is a reading on every route.

use pulso_testkit::Pulso;
use serde_json::json;

use crate::support::start_api;

#[tokio::test]
async fn it_is_a_reading_on_every_route_one_or_an_array() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let path = format!("/devices/{}", device.id);
    let item = |second: i64| json!({"ts": (1_710_072_000 + second) * 1_000, "values": {"temperature": 21.5, "cpu_usage": 41.5}});
    let routes =
        ["/heartbeats", "/readings", "/telemetry", "/data", &format!("{path}/heartbeats"), &format!("{path}/readings")];
    for (second, route) in (0..).zip(routes) {
        let answer = device.client.post(route, &item(second)).await;
        assert!(answer.is_success() && answer.body.get("ignored").is_none(), "{route}: {}", answer.text);
    }
    for (second, route) in [(10, "/heartbeats"), (20, "/readings")] {
        let array = json!([item(second), item(second + 1), item(second + 2)]);
        let stored = device.client.post(&format!("{route}?ack=stored&timeout_ms=30000"), &array).await.expect(200);
        assert_eq!((&stored.body["accepted"], &stored.body["stored"]), (&json!(3), &json!(3)), "{route}");
    }
    let _ = device.client.post("/telemetry", &json!([item(0)])).await.expect(400);
    pulso.stored(6 + 6).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM heartbeats").await, 0);
    let rows = device.client.get(&format!("{path}/readings?order=asc&limit=1")).await.expect(200).body;
    assert_eq!(rows[0]["timestamp"], json!("2024-03-10T12:00:00Z"));
    assert_eq!((&rows[0]["temperature"], &rows[0]["metrics"]), (&json!(21.5), &json!({"cpu_usage": 41.5})));
    pulso.finish().await;
}

#[tokio::test]
async fn what_its_values_hold_is_a_sensor_or_a_metric_or_named() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let take = async |body: serde_json::Value| {
        let answer = device.client.post("/data", &body).await;
        assert_eq!(answer.status, 201, "{body}: {}", answer.text);
        (answer.body.get("metrics").cloned(), answer.body.get("ignored").cloned(), answer.body)
    };
    let values = json!({"humidity": 60, "voltage": 0, "current": null, "door": true, "lamp": false, "pm2.5": 7, "ts": 1, "metrics": 2});
    let (metrics, ignored, all) = take(json!({"time": 1_710_072_000, "values": values})).await;
    assert_eq!(metrics, Some(json!({"door": 1.0, "lamp": 0.0, "pm2.5": 7.0, "ts": 1.0, "metrics": 2.0})));
    assert_eq!((ignored, &all["humidity"], &all["voltage"]), (None, &json!(60.0), &json!(0.0)));
    assert!(all.get("current").is_none());

    let values = json!({"x": 1, "firmware": "1.2", "gps": {"lat": 1}, "list": [1, 2], "signal strength": -70, "": 3, "gone": null});
    let (metrics, ignored, _) = take(json!({"values": values, "unit": "C"})).await;
    assert_eq!(metrics, Some(json!({"x": 1.0})));
    let names = ["unit", "values.", "values.firmware", "values.gps", "values.list", "values.signal strength"];
    assert_eq!(ignored, Some(json!(names)));

    // Beside the fields of a reading: the reading's own counts.
    let both =
        json!({"values": {"temperature": 2, "a": 2, "b": 3}, "temperature": 1, "metrics": {"a": 1}, "cpu_usage": 5});
    let (metrics, ignored, all) = take(both).await;
    assert_eq!((metrics, &all["temperature"]), (Some(json!({"a": 1.0, "b": 3.0})), &json!(1.0)));
    assert_eq!(ignored, Some(json!(["cpu_usage", "values.a", "values.temperature"])));

    // By its owner, for a device that is named beside them.
    let body = json!({"device_id": device.id, "ts": 1_710_072_000_000_u64, "values": {"temperature": 1}});
    let _ = user.post("/heartbeats", &body).await.expect(202);
    // A heartbeat's own fields make it a heartbeat.
    let answer = device.client.post("/heartbeats", &json!({"cpu": 1, "values": {"a": 1}})).await.expect(202);
    assert_eq!(answer.body["ignored"], json!(["values"]));
    let refused = device.client.post("/telemetry", &json!({"cpu": 1, "values": {"a": 1}})).await.expect(422);
    assert_eq!(refused.faults(), [(String::new(), "mixed".to_owned())]);
    pulso.finish().await;
}

#[tokio::test]
async fn its_faults_are_told_where_they_are() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let values: serde_json::Map<_, _> = (0..33).map(|n| (format!("m{n}"), json!(n))).collect();
    let some: serde_json::Map<_, _> = values.clone().into_iter().take(20).collect();
    let others: serde_json::Map<_, _> = (0..20).map(|n| (format!("o{n}"), json!(n))).collect();
    for (body, expected) in [
        (json!({"values": {}}), vec![("", "required")]),
        (
            json!({"ts": 1_710_072_000, "values": {"unit": "C"}}),
            vec![("", "required"), ("/values/unit", "unknown_field")],
        ),
        (
            json!({"values": {"temperature": "21.5", "humidity": 101}}),
            vec![("/values/humidity", "out_of_range"), ("/values/temperature", "wrong_type")],
        ),
        (json!({"values": {"a/b": "NaN", "c": 1}}), vec![("/values/a~1b", "wrong_type")]),
        (json!({"values": values}), vec![("/values", "too_many_items")]),
        (json!({"values": some, "metrics": others}), vec![("/values", "too_many_items")]),
        (json!({"ts": "noon", "values": {"a": 1}}), vec![("/ts", "invalid")]),
    ] {
        for route in ["/heartbeats", "/readings", "/telemetry", "/data"] {
            let refused = device.client.post(route, &body).await;
            let mut faults = refused.faults();
            faults.sort();
            let expected: Vec<_> =
                expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
            assert_eq!((refused.status, faults), (422, expected), "{route} {body}");
        }
    }
    let array =
        json!([{"ts": 1_710_072_000, "values": {"a": 1}}, {"ts": 1_710_072_001, "values": {"temperature": []}}]);
    let answer = device.client.post("/heartbeats", &array).await.expect(202);
    assert_eq!(answer.body["rejected"][0]["errors"][0]["pointer"], json!("/1/values/temperature"));
    pulso.finish().await;
}
