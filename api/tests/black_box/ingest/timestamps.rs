//! The forms of an instant that devices send, and the one that is answered.

use pulso_testkit::{Device, Pulso};
use serde_json::{Value, json};

/// What `/data` says a reading's timestamp is.
async fn answered(device: &Device, timestamp: &str) -> String {
    let body = format!("{{\"timestamp\": {timestamp}, \"temperature\": 1}}");
    let answer = device.client.post_raw("/data", body).await;
    assert_eq!(answer.status, 201, "{timestamp}: {}", answer.text);
    assert!(answer.body.get("ignored").is_none(), "{timestamp}: {}", answer.text);
    answer.body["timestamp"].as_str().unwrap().to_owned()
}

async fn stored_instants(pulso: &Pulso) -> i64 {
    pulso.database.count("SELECT count(DISTINCT ts) FROM readings").await
}

#[tokio::test]
async fn an_instant_may_have_any_offset_in_any_of_its_forms() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for text in [
        "2024-03-10T04:01:00Z",
        "2024-03-10T04:01:00",
        "2024-03-10T04:01:00+0000",
        "2024-03-10T04:01:00-0000",
        "2024-03-10T06:01:00+02:00",
        "2024-03-10T06:01:00+0200",
        "2024-03-10T06:01:00+02",
        "2024-03-10T00:31:00-0330",
        "2024-03-10T09:46:00+0545",
        "2024-03-09T16:01:00-12",
        "2024-03-10 04:01:00 +0000",
        "2024-03-10T06:00:60+0200",
    ] {
        assert_eq!(answered(&device, &json!(text).to_string()).await, "2024-03-10T04:01:00Z", "{text}");
    }
    pulso.stored(1).await;
    for text in ["2024-03-10T04:01:00+2400", "2024-03-10T04:01:00+0260", "2024-03-10T04:01:00+2", "2024-03-10"] {
        let faults = device.client.post("/data", &json!({"timestamp": text, "temperature": 1})).await.expect(422);
        assert_eq!(faults.faults(), [("/timestamp".to_owned(), "invalid".to_owned())], "{text}");
    }
    let device_path = format!("/devices/{}/readings", device.id);
    for query in ["start=2024-03-10T06:01:00%2B0200", "end=2024-03-10T06:01:00+0200", "start=2024-03-10T00:31:00-0330"]
    {
        let rows = device.client.get(&format!("{device_path}?{query}")).await.expect(200);
        assert_eq!(rows.body.as_array().map(Vec::len), Some(1), "{query}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn an_instant_may_be_a_number_whose_size_tells_its_unit() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for number in [
        "1710043260",
        "1710043260.0",
        "1.71004326e9",
        "1710043260000",
        "1710043260000000",
        "1710043260000000000",
        "1710043260000000999",
        "\"1710043260\"",
        "\"1710043260000\"",
    ] {
        assert_eq!(answered(&device, number).await, "2024-03-10T04:01:00Z", "{number}");
    }
    pulso.stored(1).await;
    for (number, instant) in [
        ("1710043260.5", "2024-03-10T04:01:00.500Z"),
        ("1710043260.123456", "2024-03-10T04:01:00.123456Z"),
        ("\"1710043260.25\"", "2024-03-10T04:01:00.250Z"),
        ("1710043260123", "2024-03-10T04:01:00.123Z"),
        ("1710043260123.5", "2024-03-10T04:01:00.123500Z"),
        ("1710043260123457", "2024-03-10T04:01:00.123457Z"),
        ("1710043260123458789", "2024-03-10T04:01:00.123458Z"),
    ] {
        assert_eq!(answered(&device, number).await, instant, "{number}");
    }
    pulso.stored(8).await;
    assert_eq!(stored_instants(&pulso).await, 8);
    for (value, code) in [
        ("0", "too_old"),
        ("-1", "too_old"),
        ("-1710043260000", "too_old"),
        ("123456", "too_old"),
        ("99999999999", "in_future"),
        ("99999999999999", "in_future"),
        ("9223372036854775807", "in_future"),
        ("18446744073709551615", "in_future"),
        ("1e30", "invalid"),
        ("-1e300", "invalid"),
        ("\"17100432\"", "invalid"),
        ("\"\"", "invalid"),
        ("true", "wrong_type"),
        ("[1710043260]", "wrong_type"),
        ("NaN", "invalid"),
    ] {
        let refused = device.client.post_raw("/data", format!("{{\"ts\": {value}, \"temperature\": 1}}")).await;
        assert_eq!((refused.status, refused.faults()), (422, vec![("/ts".to_owned(), code.to_owned())]), "{value}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn the_start_of_a_device_may_be_a_number_but_no_uptime() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    let heartbeat = async |boot: Value| device.client.post("/heartbeats", &json!({"boot_time": boot})).await;
    let _ = heartbeat(json!(1_710_043_260)).await.expect(202);
    let _ = heartbeat(json!(1_710_043_260_000_u64)).await.expect(202);
    let _ = heartbeat(json!("2024-03-10T06:01:00+0200")).await.expect(202);
    for uptime in [json!(5), json!(86_400.5), json!(-1)] {
        let refused = heartbeat(uptime.clone()).await.expect(422);
        assert_eq!(refused.faults(), [("/boot_time".to_owned(), "out_of_range".to_owned())], "{uptime}");
    }
    pulso.stored(3).await;
    let same = "SELECT count(*) FROM heartbeats WHERE boot_time = '2024-03-10T04:01:00Z'";
    assert_eq!(pulso.database.count(same).await, 3);
    pulso.finish().await;
}

#[tokio::test]
async fn the_timestamp_has_three_names_of_which_the_first_counts() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for name in ["timestamp", "time", "ts"] {
        // Sent again, it is the same row.
        for _ in 0..2 {
            let _ = device
                .client
                .post("/readings", &json!({name: "2024-03-10T04:01:00Z", "temperature": 21.5}))
                .await
                .expect(202);
        }
    }
    pulso.stored(1).await;
    let take = async |body: &str| device.client.post_raw("/data", body.to_owned()).await.expect(201).body;
    let two = take(r#"{"time": "2024-03-10T05:00:00Z", "timestamp": "2024-03-10T06:00:00Z", "temperature": 1}"#).await;
    assert_eq!((&two["timestamp"], &two["ignored"]), (&json!("2024-03-10T05:00:00Z"), &json!(["timestamp"])));
    let same = take(r#"{"ts": 1710043261, "timestamp": null, "time": 1710043261, "temperature": 1}"#).await;
    assert_eq!((&same["timestamp"], same.get("ignored")), (&json!("2024-03-10T04:01:01Z"), None));
    pulso.stored(3).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_second_of_sixty_is_the_next_minutes_first_in_every_form() {
    let pulso = Pulso::start().await;
    let device = pulso.client.new_user().await.new_device().await;
    for (sent, expected) in [
        ("2024-03-10T20:57:60Z", "2024-03-10T20:58:00Z"),
        ("2024-03-10 20:57:60", "2024-03-10T20:58:00Z"),
        ("2024-03-10T22:57:60+0200", "2024-03-10T20:58:00Z"),
        ("2024-03-10T20:57:60.000Z", "2024-03-10T20:58:00Z"),
        ("2024-03-10T23:59:60.25Z", "2024-03-11T00:00:00.250Z"),
        ("2024-02-28T23:59:60Z", "2024-02-29T00:00:00Z"),
        ("2023-12-31T23:59:60-0000", "2024-01-01T00:00:00Z"),
    ] {
        assert_eq!(answered(&device, &json!(sent).to_string()).await, expected, "{sent}");
    }
    pulso.stored(4).await;
    let _ =
        device.client.post("/data", &json!({"timestamp": "2024-03-10T20:57:61Z", "temperature": 1})).await.expect(422);
    let query = "ack=stored&timeout_ms=30000";
    let array = json!([{"timestamp": "2024-03-10T20:59:60Z", "voltage": 1}, {"timestamp": "2024-03-10T21:00:00Z", "voltage": 1}]);
    let answer = device.client.post(&format!("/readings?{query}"), &array).await.expect(200);
    assert_eq!((&answer.body["accepted"], &answer.body["stored"]), (&json!(2), &json!(2)));
    pulso.stored(5).await;
    pulso.finish().await;
}
