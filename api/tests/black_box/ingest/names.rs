//! Nothing is dropped without a word: what was not understood is named, and refused where that was everything.

use pulso_testkit::{Answer, Client, Pulso};
use serde_json::{Value, json};

use crate::support::start_api;

fn faults(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 422, "{}", answer.text);
    answer.faults()
}

fn unknown(pointers: &[&str]) -> Vec<(String, String)> {
    pointers.iter().map(|pointer| ((*pointer).to_owned(), "unknown_field".to_owned())).collect()
}

async fn ignored(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.post(path, body).await;
    assert!(answer.is_success(), "{path} {body}: {}", answer.text);
    answer.body.get("ignored").cloned().unwrap_or(json!([]))
}

#[tokio::test]
async fn names_that_were_not_understood_come_back_on_every_route() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let client = &device.client;
    let path = format!("/devices/{}", device.id);
    let heartbeat = json!({"cpu": 1, "humidity": 50, "fan": {"rpm": 900}, "note": null});
    for route in ["/heartbeats".to_owned(), format!("{path}/heartbeats")] {
        assert_eq!(ignored(client, &route, &heartbeat).await, json!(["fan", "humidity"]), "{route}");
    }
    let reading = json!({"temperature": 20, "cpu_usage": 5, "co2": 400, "Humidity": 50});
    for route in ["/readings".to_owned(), format!("{path}/readings"), "/data".to_owned()] {
        assert_eq!(ignored(client, &route, &reading).await, json!(["Humidity", "co2", "cpu_usage"]), "{route}");
    }
    assert_eq!(ignored(client, "/telemetry", &json!({"cpu": 5, "uptime": 7})).await, json!(["uptime"]));
    assert_eq!(ignored(client, "/telemetry", &json!({"voltage": 5, "uptime": 7})).await, json!(["uptime"]));
    let array = json!([{"cpu": 1, "a": 1}, {"cpu": 1, "b": 1, "a": 2}, {"cpu": 101, "c": 1}, {"cpu": 1}]);
    let answer = client.post("/heartbeats", &array).await.expect(202);
    assert_eq!((&answer.body["accepted"], &answer.body["ignored"]), (&json!(3), &json!(["a", "b"])));
    let stored = client.post("/heartbeats?ack=stored&timeout_ms=30000", &json!({"cpu": 1, "gpu": 2})).await.expect(200);
    assert_eq!((&stored.body["stored"], &stored.body["ignored"]), (&json!(1), &json!(["gpu"])));
    // The device of the path counts.
    let other = json!({"device_id": user.new_device().await.id, "cpu": 1});
    assert_eq!(ignored(client, &format!("{path}/heartbeats"), &other).await, json!(["device_id"]));
    let same = json!({"server_ulid": device.id.to_lowercase(), "cpu": 1});
    assert_eq!(ignored(client, &format!("{path}/heartbeats"), &same).await, json!([]));
    // Understood, and nothing else to say.
    for body in [json!({}), json!({"cpu": 1}), json!({"deviceId": device.id, "cpu": 1, "note": null})] {
        let answer = client.post("/heartbeats", &body).await.expect(202);
        assert_eq!(answer.body, json!({"accepted": 1, "rejected": []}), "{body}");
    }
    pulso.stored(2 + 3 + 2 + 3 + 1 + 2 + 3).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_value_under_a_second_name_is_ignored_by_name_unless_it_is_the_same() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let raw = async |path: &str, body: &str| {
        let answer = device.client.post_raw(path, body.to_owned()).await;
        assert!(answer.is_success(), "{body}: {}", answer.text);
        answer.body
    };
    for (body, names) in [
        (r#"{"cpu": 1, "cpu_usage": 2}"#, json!(["cpu_usage"])),
        (r#"{"cpu_usage": 1, "cpuUsage": 2, "cpu": 3}"#, json!(["cpu", "cpuUsage"])),
        (r#"{"cpu": 1, "cpu": 2}"#, json!(["cpu"])),
        (r#"{"cpu": null, "cpu_usage": 2}"#, Value::Null),
        (r#"{"cpu": 2, "cpu_usage": 2, "cpu": null}"#, Value::Null),
        (r#"{"ram": 1, "ramUsage": 1.0, "latency": 3, "dns_latency": "3"}"#, json!(["dns_latency", "ramUsage"])),
        (r#"{"is_connected": true, "connectivity": 0}"#, json!(["connectivity"])),
    ] {
        assert_eq!(raw("/heartbeats", body).await["ignored"], names, "{body}");
    }
    let twice = r#"{"metrics": {"a": 1, "a": 2, "b": 3, "b": 3}, "metrics": {"c": 1}, "voltage": 1, "voltage": 2}"#;
    let answer = raw("/data", twice).await;
    assert_eq!(answer["ignored"], json!(["metrics", "metrics.a", "voltage"]));
    assert_eq!((&answer["metrics"], &answer["voltage"]), (&json!({"a": 1.0, "b": 3.0}), &json!(1.0)));
    pulso.finish().await;
}

#[tokio::test]
async fn an_item_in_which_nothing_was_understood_is_refused_unless_it_holds_nothing() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let client = &device.client;
    let instant = "2024-03-10T12:00:00Z";
    for (body, pointers) in [
        (json!({"metrics": [{"fields": {"cpu": 1}}]}), vec!["/metrics"]),
        (json!({"CPU": 1}), vec!["/CPU"]),
        (json!({"ts": instant, "cpu.usage": 1, "a/b": 2, "m~n": {}}), vec!["/a~1b", "/cpu.usage", "/m~0n"]),
        (json!({"device_id": device.id, "data": ""}), vec!["/data"]),
        (json!({"timestamp": instant, "humidity": 5, "x": false}), vec!["/humidity", "/x"]),
        (json!({"values": "cpu=1"}), vec!["/values"]),
    ] {
        for path in ["/heartbeats".to_owned(), format!("/devices/{}/heartbeats", device.id)] {
            let mut found = faults(&client.post(&path, &body).await);
            found.sort();
            assert_eq!(found, unknown(&pointers), "{path} {body}");
        }
    }
    // To a reading a number is missing, too.
    let refused = faults(&client.post("/readings", &json!({"time": instant, "cpu_usage": 1})).await);
    assert_eq!(refused, [vec![(String::new(), "required".to_owned())], unknown(&["/cpu_usage"])].concat());
    assert_eq!(faults(&client.post("/telemetry", &json!({"uptime": 1})).await), unknown(&["/uptime"]));
    let array = client.post("/heartbeats", &json!([{"foo": 1}, {}, {"bar": 2, "baz": 3}])).await.expect(202);
    assert_eq!((&array.body["accepted"], array.body.get("ignored")), (&json!(1), None));
    let named = array.body["rejected"].to_string();
    assert!(named.contains("/0/foo") && named.contains("/2/bar") && named.contains("/2/baz"), "{named}");

    for alive in [
        json!({}),
        json!({"timestamp": instant}),
        json!({"time": instant}),
        json!({"ts": 1_710_072_000}),
        json!({"device_sn": null, "foo": null, "values": null, "metrics": null}),
        json!({"device_id": device.id, "ts": instant}),
    ] {
        let _ = client.post("/heartbeats", &alive).await.expect(202);
        let refused = faults(&client.post("/readings", &alive).await);
        assert_eq!(refused, [(String::new(), "required".to_owned())], "{alive}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn so_many_names_are_listed_and_so_much_of_each() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let many: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("n{n}"), json!(n))).collect();
    let of = |rest: Value| {
        let mut body = many.clone();
        body.extend(rest.as_object().unwrap().clone());
        json!(body)
    };
    let names = ignored(&device.client, "/heartbeats", &of(json!({"cpu": 1}))).await;
    assert_eq!(names.as_array().map(Vec::len), Some(100));
    let nested = json!({"values": of(json!({"temperature": 1, "unit": "C"}))});
    let refused = faults(&device.client.post("/readings", &nested).await);
    assert_eq!(refused, [("/values".to_owned(), "too_many_items".to_owned())]);
    let refused = device.client.post("/heartbeats", &json!(many)).await.expect(422);
    assert_eq!(refused.faults().len(), 100);
    let array: Vec<_> = (0..1_000).map(|n| json!({"cpu": 1, format!("m{n}"): 1, format!("k{n}"): 2})).collect();
    assert_eq!(ignored(&device.client, "/heartbeats", &json!(array)).await.as_array().map(Vec::len), Some(100));
    let long = "ü".repeat(300_000);
    let body = json!({"cpu": 1, &long: 1});
    assert_eq!(ignored(&device.client, "/heartbeats", &body).await, json!(["ü".repeat(64)]));
    let refused = device.client.post("/heartbeats", &json!({&long: 1})).await.expect(422);
    assert!(refused.text.len() < 2_000, "an answer of {} bytes", refused.text.len());
    let odd = json!({"cpu": 1, "": 2, "a\"b\u{0}": 3, "\u{202e}x": 4});
    assert_eq!(ignored(&device.client, "/heartbeats", &odd).await, json!(["", "a\"b\u{0}", "\u{202e}x"]));
    pulso.finish().await;
}
