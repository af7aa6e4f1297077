//! A bare `NaN` or infinity is its field's fault; nothing else in the body suffers from it.

use pulso_testkit::{Answer, Pulso};
use serde_json::json;

use crate::support::bodies::gzip;
use crate::support::start_api;
use reqwest::Method;

fn rejected(answer: &Answer) -> Vec<(String, String)> {
    let items = answer.body["rejected"].as_array().unwrap();
    let errors = items.iter().flat_map(|item| item["errors"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

#[tokio::test]
async fn one_bad_number_of_a_thousand_items_costs_its_own_item_alone() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let items: Vec<_> = (0..1_000)
        .map(|n| {
            let temperature = if n == 700 { "nan".to_owned() } else { n.to_string() };
            format!("{{\"ts\": {}, \"temperature\": {temperature}}}", 1_710_072_000 + n)
        })
        .collect();
    let answer = device.client.post_raw("/readings", format!("[{}]", items.join(","))).await.expect(202);
    assert_eq!(answer.body["accepted"], json!(999));
    assert_eq!(answer.body["rejected"][0]["index"], json!(700));
    assert_eq!(rejected(&answer), [("/700/temperature".to_owned(), "wrong_type".to_owned())]);
    pulso.stored(999).await;
    pulso.finish().await;
}

#[tokio::test]
async fn every_form_of_it_is_the_fault_of_its_field() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    for word in ["NaN", "nan", "NAN", "-nan", "Infinity", "-Infinity", "+Infinity", "inf", "-inf", "+Inf", "INF", "ovf"]
    {
        for (route, body, pointer) in [
            ("/readings", format!("[{{\"temperature\": 20}},{{\"temperature\":{word}}}]"), "/1/temperature"),
            (
                "/readings",
                format!("[{{\"metrics\": {{\"a\": 1, \"b\": {word}}}}}, {{\"voltage\": 1}}]"),
                "/0/metrics/b",
            ),
            ("/heartbeats", format!("[{{\"ts\":1710072000,\"values\":{{\"b\" : {word} }}}}\n,{{}}]"), "/0/values/b"),
            ("/heartbeats", format!("[{{}},{{\"cpu\":\t{word}\r\n,\"ram\":1}}]"), "/1/cpu"),
        ] {
            let answer = device.client.post_raw(route, body.clone()).await;
            assert_eq!(answer.status, 202, "{body}: {}", answer.text);
            assert_eq!(rejected(&answer), fault(pointer, "wrong_type"), "{body}");
            assert_eq!(answer.body["accepted"], json!(1), "{body}");
        }
        for route in ["/heartbeats", "/readings", "/telemetry", "/data"] {
            let refused = device.client.post_raw(route, format!("{{\"temperature\": {word}}}")).await.expect(422);
            assert_eq!(refused.faults(), fault("/temperature", "wrong_type"), "{word} {route}");
        }
    }
    let several = r#"{"temperature": NaN, "humidity": 101, "metrics": {"NaN": -Infinity, "x\"y": nan}, "note": NaN}"#;
    let mut faults = device.client.post_raw("/data", several.to_owned()).await.expect(422).faults();
    faults.sort();
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/humidity", "/metrics/NaN", "/metrics/x\"y", "/metrics/x\"y", "/temperature"]);
    let items = device.client.post_raw("/heartbeats", "[NaN, {\"cpu\": 1}, Infinity]".to_owned()).await.expect(202);
    assert_eq!(rejected(&items), [fault("/0", "invalid"), fault("/2", "invalid")].concat());
    pulso.finish().await;
}

#[tokio::test]
async fn what_only_looks_like_it_stays_what_it_is() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    for body in [
        "NaN",
        "{NaN: 1}",
        "{\"cpu\": NaN",
        "[{\"cpu\": NaN},]",
        "{\"cpu\": NaN,}",
        "{\"cpu\": 1NaN}",
        "{\"cpu\": NaNa}",
        "{\"cpu\": NaN NaN}",
        "{\"cpu\": undefined}",
        "{\"cpu\": None}",
        "{\"cpu\": 1} NaN",
        "{'cpu': NaN}",
        "{\"cpu\": +5}",
        "{\"cpu\": \"NaN}",
    ] {
        let _ = device.client.post_raw("/heartbeats", body.to_owned()).await.expect(400);
    }
    // Inside of a text it is text, and under an unknown name it is nothing.
    let body = r#"{"cpu": 1, "note": "x\",NaN,\"\\", "more": NaN, "NaN": [nan]}"#;
    let answer = device.client.post_raw("/heartbeats", body.to_owned()).await.expect(202);
    assert_eq!(answer.body["ignored"], json!(["NaN", "more", "note"]));
    let text = device.client.post("/readings", &json!([{"temperature": "NaN"}])).await.expect(422);
    assert_eq!(text.faults(), [("/0/temperature".to_owned(), "wrong_type".to_owned())]);
    pulso.finish().await;
}

#[tokio::test]
async fn the_largest_bodies_full_of_it_are_answered_like_any_other() {
    let pulso = start_api(Vec::new()).await;
    let device = pulso.client.new_user().await.new_device().await;
    let all = format!("[{}{{\"temperature\": 1}}]", "{\"temperature\":NaN},".repeat(999));
    let answer = device.client.post_raw("/readings", all.clone()).await.expect(202);
    assert_eq!((&answer.body["accepted"], answer.body["rejected"].as_array().map(Vec::len)), (&json!(1), Some(999)));
    let compressed = device.client.request(Method::POST, "/readings").header("Content-Encoding", "gzip");
    let answer = device.client.send(compressed.body(gzip(all.as_bytes()))).await.expect(202);
    assert_eq!(answer.body["accepted"], json!(1));
    let too_many = format!("[{}1]", "NaN,".repeat(250_000));
    let refused = device.client.post_raw("/readings", too_many).await.expect(422);
    assert_eq!(refused.faults(), [(String::new(), "too_many_items".to_owned())]);
    let _ = device.client.post_raw("/readings", format!("[{}", "NaN ".repeat(250_000))).await.expect(400);
    let _ = device.client.post_raw("/readings", "[NaN,".repeat(200_000)).await.expect(400);
    pulso.finish().await;
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_skipped() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let bom = |text: &str| format!("\u{feff}{text}");
    let _ = device.client.post_raw("/heartbeats", bom("{\"cpu\": 1}")).await.expect(202);
    let _ = device.client.post_raw("/heartbeats", bom(" [{\"cpu\": 1}, {\"cpu\": NaN}]")).await.expect(202);
    let _ = device.client.post_raw("/data", bom("{\"temperature\": 1}")).await.expect(201);
    let large = json!({"temperature": 1, "note": "x".repeat(100_000)}).to_string();
    let _ = device.client.post_raw("/readings", bom(&large)).await.expect(202);
    let compressed = device.client.request(Method::POST, "/heartbeats").header("Content-Encoding", "gzip");
    let _ = device.client.send(compressed.body(gzip(bom("{}").as_bytes()))).await.expect(202);
    // Everywhere else, too.
    let made = user.post_raw("/devices", bom("{\"name\": \"Pump\"}")).await.expect(201);
    assert_eq!(made.body["name"], json!("Pump"));
    let _ = user.post_raw("/tasks", bom("{\"title\": \"look\"}")).await.expect(201);
    for unreadable in [bom(""), bom(&bom("{}")), "{\u{feff}}".to_owned(), "{}\u{feff}".to_owned()] {
        let _ = device.client.post_raw("/heartbeats", unreadable.clone()).await.expect(400);
    }
    pulso.finish().await;
}
