//! The wire format as other versions of Pulso know it: bytes in a queue outlive the process that wrote them.
#![expect(clippy::unwrap_used, reason = "a test says where it stops")]

use proptest::prelude::{Just, Strategy, any, proptest};
use proptest::{collection, option};
use pulso_shared::amqp::message::{MESSAGE_TYPE, NAMED_MESSAGE_TYPE, Submission, decode, encode};
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::{Heartbeat, MAX_METRICS, MetricName, Reading};

const DEVICE: &str = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA";

/// Version 2, as `encode` writes it: a full heartbeat, an empty one, and a reading with custom metrics.
const V2: &str = concat!(
    r#"[["req-1",1764072000000001,"#,
    r#"[["01JD3ZK8M4T0Q2V6X9Y7B5C1RA",1764071999000000,41.5,42.0,43.25,44.5,45.0,false,1764000000000000],"#,
    r#"["01JD3ZK8M4T0Q2V6X9Y7B5C1RA",1764071998000000,null,null,null,null,null,null,null]],"#,
    r#"[["01JD3ZK8M4T0Q2V6X9Y7B5C1RA",1764071997000000,-40.5,55.5,230.0,-1.5,{"pm2.5":7.5,"tank/level":0.1}]]],"#,
    r#"["req-2",1764072000000002,[],[]]]"#,
);

/// The same submissions in version 1, as the API of that version wrote them.
const V1: &str = r#"[
    {"request_id": "req-1", "received_at": 1764072000000001,
     "heartbeats": [
        {"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "ts": 1764071999000000, "cpu_usage": 41.5, "ram_usage": 42.0,
         "disk_free": 43.25, "temperature": 44.5, "latency": 45.0, "connectivity": false, "boot_time": 1764000000000000},
        {"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "ts": 1764071998000000}],
     "readings": [
        {"device_id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "ts": 1764071997000000, "temperature": -40.5, "humidity": 55.5,
         "voltage": 230.0, "current": -1.5, "metrics": {"tank/level": 0.1, "pm2.5": 7.5}}]},
    {"request_id": "req-2", "received_at": 1764072000000002}
]"#;

/// The body of a message, joined as the API joins it.
fn body(submissions: &[Submission]) -> String {
    let mut body = b"[".to_vec();
    for (index, submission) in submissions.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        encode(submission, &mut body).unwrap();
    }
    body.push(b']');
    String::from_utf8(body).unwrap()
}

#[test]
fn the_message_types_are_those_of_deployed_versions() {
    assert_eq!((MESSAGE_TYPE, NAMED_MESSAGE_TYPE), ("pulso.telemetry.v2", "pulso.telemetry.v1"));
}

#[test]
fn version_2_is_read_and_written_byte_by_byte() {
    let submissions = decode(V2.as_bytes()).unwrap();
    assert_eq!(submissions.iter().map(Submission::len).collect::<Vec<_>>(), [3, 0]);
    assert!(submissions[1].is_empty());
    assert_eq!(body(&submissions), V2);
}

#[test]
fn version_1_means_the_same() {
    assert_eq!(decode(V1.as_bytes()).unwrap(), decode(V2.as_bytes()).unwrap());
}

#[test]
fn a_field_that_version_1_did_not_know_is_passed_over() {
    let with_more = V1.replacen(r#""ts""#, r#""firmware": "9.1", "ts""#, 1);
    assert_eq!(decode(with_more.as_bytes()).unwrap(), decode(V2.as_bytes()).unwrap());
}

#[test]
fn a_truncated_body_is_an_error_wherever_it_ends() {
    for whole in [V1, V2] {
        for end in 0..whole.len() {
            assert!(decode(&whole.as_bytes()[..end]).is_err(), "{end} bytes of {whole}");
        }
    }
}

#[test]
fn a_malformed_body_is_an_error() {
    let heartbeat = |values: &str| format!(r#"[["r",1,[[{values}]],[]]]"#);
    let reading = |values: &str| format!(r#"[["r",1,[],[[{values}]]]]"#);
    let device = format!(r#""{DEVICE}""#);
    for bad in [
        "null".to_owned(),
        "{}".to_owned(),
        "[[]]".to_owned(),
        r#"[["r"]]"#.to_owned(),
        r#"[["r",1,[],[],[]]]"#.to_owned(),
        r#"[["r","2026-11-25T12:00:00Z",[],[]]]"#.to_owned(),
        r#"[["r",1,{},[]]]"#.to_owned(),
        "[] []".to_owned(),
        heartbeat(""),
        heartbeat(&format!("{device},2,1,1,1,1,1,true,3,4")),
        heartbeat(&format!("2,{device},1,1,1,1,1,true,3")),
        heartbeat(&format!("{device},2.5,1,1,1,1,1,true,3")),
        heartbeat(&format!("{device},2,1,1,1,1,1,1,3")),
        heartbeat(r#""not-a-device",2,1,1,1,1,1,true,3"#),
        reading(&format!("{device},2,1,1,1,1,[]")),
        reading(&format!(r#"{device},2,1,1,1,1,{{"no blanks": 1}}"#)),
        reading(&format!(r#"{device},2,1,1,1,1,{{"a": "1"}}"#)),
    ] {
        assert!(decode(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn optional_values_at_the_end_may_be_left_out() {
    let short = format!(r#"[["r",1,[["{DEVICE}",2,3]],[["{DEVICE}",4]]],["s",5]]"#);
    let long = format!(
        r#"[["r",1,[["{DEVICE}",2,3.0,null,null,null,null,null,null]],[["{DEVICE}",4,null,null,null,null,{{}}]]],["s",5,[],[]]]"#
    );
    assert_eq!(body(&decode(short.as_bytes()).unwrap()), long);
}

#[test]
fn a_value_beyond_its_range_is_an_error_that_names_the_range() {
    let with_cpu = |cpu: &str| decode(format!(r#"[["r",1,[["{DEVICE}",2,{cpu},1,1,1,1,true,3]],[]]]"#).as_bytes());
    assert!(with_cpu("100").is_ok());
    let error = with_cpu("100.1").unwrap_err().to_string();
    assert!(error.contains("must be between 0 and 100 %"), "{error}");
}

fn device() -> impl Strategy<Value = DeviceId> {
    any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).into())
}

fn instant() -> impl Strategy<Value = chrono::DateTime<chrono::Utc>> {
    any::<i32>().prop_map(|millis| chrono::DateTime::from_timestamp_micros(i64::from(millis) * 977).unwrap())
}

fn percent() -> impl Strategy<Value = Option<pulso_shared::telemetry::Percent>> {
    option::of((0.0..=100.0).prop_map(|value| pulso_shared::telemetry::Percent::try_from(value).unwrap()))
}

fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (device(), instant(), percent(), percent(), option::of(any::<bool>()), option::of(instant())).prop_map(
        |(device_id, ts, cpu_usage, disk_free, connectivity, boot_time)| Heartbeat {
            device_id,
            ts,
            cpu_usage,
            ram_usage: None,
            disk_free,
            temperature: None,
            latency: None,
            connectivity,
            boot_time,
        },
    )
}

fn reading() -> impl Strategy<Value = Reading> {
    let name = "[a-z][a-z0-9_./:-]{0,20}".prop_map(|name| MetricName::try_from(name).unwrap());
    let scalar = (-1e300..1e300).prop_map(|value| pulso_shared::telemetry::Scalar::try_from(value).unwrap());
    let metrics = collection::btree_map(name, scalar, 0..MAX_METRICS);
    (device(), instant(), percent(), metrics).prop_map(|(device_id, ts, humidity, metrics)| Reading {
        device_id,
        ts,
        temperature: None,
        humidity,
        voltage: None,
        current: None,
        metrics,
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(
        request_id in ".*",
        received_at in instant(),
        heartbeats in collection::vec(heartbeat(), 0..5),
        readings in collection::vec(reading(), 0..5),
        copies in Just(2_usize),
    ) {
        let submissions = vec![Submission { request_id, received_at, heartbeats, readings }; copies];
        assert_eq!(decode(body(&submissions).as_bytes()).unwrap(), submissions);
    }
}
