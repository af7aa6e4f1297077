//! Devices: registered, found, changed, deleted, and nobody else's business.

use pulso_testkit::{Answer, Client, Pulso};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::redaction::redacted;
use crate::support::time::seconds_from_now;

async fn create(client: &Client, device: Value) -> Answer {
    client.post("/devices", &device).await
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.body.as_array().unwrap().iter().map(|device| device["name"].as_str().unwrap()).collect()
}

/// A request with `If-Match`.
async fn edit(client: &Client, method: Method, path: &str, tag: &str, body: Value) -> Answer {
    client.send(client.request(method, path).header("If-Match", tag).json(&body)).await
}

#[tokio::test]
async fn a_device_is_registered_read_changed_and_deleted() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let described = json!({"name": " Boiler 3 ", "location": "Hall B", "sn": "000123456789", "description": "a\nb"});
    let made = create(&user, described).await.expect(201);
    let (id, uuid) = (made.body["id"].as_str().unwrap(), made.body["uuid"].as_str().unwrap());
    assert_eq!(made.header("location"), Some(format!("/api/v1/devices/{id}").as_str()));
    insta::assert_snapshot!(redacted(&made.body), @r#"
    {
      "created_at": "[time]",
      "credential": {
        "credential_id": "[ulid 1]",
        "device_id": "[ulid 2]",
        "secret": "[secret]"
      },
      "description": "a\nb",
      "id": "[ulid 2]",
      "ingest_auth": "token",
      "last_seen_at": null,
      "latest": null,
      "location": "Hall B",
      "name": "Boiler 3",
      "offline_after_s": 180,
      "sn": "000123456789",
      "status": "offline",
      "updated_at": "[time]",
      "uuid": "[uuid 2]"
    }
    "#);
    let secret = made.body["credential"]["secret"].as_str().unwrap();
    assert!(secret.len() >= 43, "256 bits");

    let path = format!("/devices/{id}");
    let read = user.get(made.header("location").unwrap()).await.expect(200);
    assert!(!read.text.contains(secret) && read.body.get("credential").is_none());
    for name in [id, uuid] {
        for name in [name.to_lowercase(), name.to_uppercase()] {
            assert_eq!(user.get(&format!("/devices/{name}/")).await.expect(200).body, read.body);
        }
    }

    let changed = user.patch(&path, &json!({"location": null, "offline_after_s": 60})).await.expect(200);
    assert_eq!((&changed.body["location"], &changed.body["sn"]), (&json!(null), &json!("000123456789")));
    let put = user.put(&path, &json!({"name": "Boiler 4", "serial_number": "000123456780"})).await.expect(200);
    let cleared = (&put.body["description"], &put.body["offline_after_s"], &put.body["sn"]);
    assert_eq!(cleared, (&json!(null), &json!(180), &json!("000123456780")));
    assert_eq!(put.body["created_at"], read.body["created_at"]);
    assert!(put.body["updated_at"].as_str() > read.body["updated_at"].as_str());
    let unchanged = user.patch(&path, &json!({})).await.expect(200);
    assert_eq!(unchanged.body, put.body);
    let _ = user.put(&path, &json!({"location": "nameless"})).await.expect(422);

    let _ = user.delete(&path).await.expect(204);
    for method in ["GET", "DELETE"] {
        let _ = user.ask(method, &path).await.expect(404);
    }
    let _ = user.patch(&path, &json!({"name": "back"})).await.expect(404);
    pulso.finish().await;
}

#[tokio::test]
async fn what_cannot_be_a_device_is_refused_and_a_serial_number_is_its_owners_once() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let all_wrong = json!({"name": "", "location": 5, "sn": "12345678901", "offline_after_s": 0, "ingest_auth": "x"});
    let faults = create(&user, all_wrong).await.expect(422).faults();
    let expected = [
        ("/ingest_auth", "invalid"),
        ("/location", "wrong_type"),
        ("/name", "invalid"),
        ("/offline_after_s", "invalid"),
        ("/sn", "invalid"),
    ];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    for (field, value) in [
        ("name", json!(null)),
        ("name", json!("a\u{0}b")),
        ("name", json!("x".repeat(201))),
        ("description", json!("x".repeat(2_001))),
        ("location", json!("\u{0}")),
        ("sn", json!("1234567890123")),
        ("sn", json!("12345678901x")),
        ("sn", json!("１２３４５６７８９０１２")),
        ("sn", json!(123_456_789_012_u64)),
        ("offline_after_s", json!(604_801)),
        ("offline_after_s", json!(1e300)),
        ("offline_after_s", json!("60")),
    ] {
        let mut device = json!({"name": "device"});
        device[field] = value;
        let refused = create(&user, device).await.expect(422).faults();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused.first().map(|(pointer, _)| pointer.clone()), Some(format!("/{field}")));
    }
    assert!(names(&user.get("/devices").await).is_empty());

    let numbered = |name: &str| json!({"name": name, "sn": "111122223333"});
    let first = create(&user, numbered("first")).await.expect(201);
    let _ = create(&user, numbered("again")).await.expect(409);
    let _ = create(&other, numbered("somebody else's")).await.expect(201);
    let second = create(&user, json!({"name": "second"})).await.expect(201);
    let path = |answer: &Answer| format!("/devices/{}", answer.body["id"].as_str().unwrap());
    let _ = user.patch(&path(&second), &json!({"serial_number": "111122223333"})).await.expect(409);
    let _ = user.put(&path(&second), &numbered("second")).await.expect(409);
    let _ = user.put(&path(&first), &numbered("first, again")).await.expect(200);
    let _ = user.delete(&path(&first)).await.expect(204);
    let _ = user.patch(&path(&second), &json!({"sn": "111122223333"})).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn somebody_elses_device_does_not_exist_whatever_is_asked_of_it() {
    let pulso = Pulso::start().await;
    let (owner, stranger) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let device = owner.new_device().await;
    let path = format!("/devices/{}", device.id);
    let before = owner.get(&path).await.expect(200);
    let credentials = owner.get(&format!("{path}/credentials")).await.expect(200);
    let credential = credentials.body[0]["credential_id"].as_str().unwrap();
    for device_path in [path.as_str(), "/devices/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "/devices/nonsense", "/devices/%00"] {
        let id = device_path.trim_start_matches("/devices/");
        for (method, path) in [
            ("GET", device_path.to_owned()),
            ("PUT", device_path.to_owned()),
            ("PATCH", device_path.to_owned()),
            ("DELETE", device_path.to_owned()),
            ("POST", format!("{device_path}/credentials")),
            ("GET", format!("{device_path}/credentials")),
            ("DELETE", format!("{device_path}/credentials/{credential}")),
            ("GET", format!("{device_path}/latest")),
            ("GET", format!("{device_path}/heartbeats")),
            ("GET", format!("{device_path}/readings")),
            ("POST", format!("{device_path}/heartbeats")),
            ("GET", format!("/health/{id}")),
            ("GET", format!("/servers/{id}")),
            ("DELETE", format!("/servers/{id}")),
        ] {
            let request = stranger.request(method.parse().unwrap(), &path).json(&json!({"name": "mine now"}));
            let answer = stranger.send(request).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (404, Some("application/problem+json")),
                "{method} {path}: {}",
                answer.text
            );
            let anonymous = pulso.client.request(method.parse().unwrap(), &path).json(&json!({"name": "mine now"}));
            let answer = pulso.client.send(anonymous).await;
            assert!([401, 404].contains(&answer.status), "{method} {path}: {}", answer.text);
        }
    }
    assert!(names(&stranger.get("/devices").await.expect(200)).is_empty());
    assert_eq!(owner.get(&path).await.expect(200).body, before.body);
    let secret = json!({"device_id": device.id, "secret": device.secret});
    let _ = pulso.client.post("/auth/device", &secret).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn pages_stay_in_step_while_devices_are_added_and_filters_find_what_they_say() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let _ = pulso.client.new_user().await.new_device().await;
    for number in 0..5 {
        let place = if number % 2 == 0 { "Hall A" } else { "100%_ \\ B" };
        let sn = format!("{:012}", 700 + number);
        let _ = create(&user, json!({"name": format!("Pump {number}"), "location": place, "sn": sn})).await.expect(201);
    }
    let (mut page, mut seen) = (Some("/devices?limit=2&q=pump".to_owned()), Vec::new());
    while let Some(address) = page {
        let answer = user.get(&address).await.expect(200);
        assert!(names(&answer).len() <= 2);
        seen.extend(names(&answer).into_iter().map(str::to_owned));
        if seen.len() == 2 {
            let _ = create(&user, json!({"name": "pump 5"})).await.expect(201);
            let _ = create(&user, json!({"name": "Fan"})).await.expect(201);
        }
        page = answer.next_page();
    }
    assert_eq!(seen, ["Pump 0", "Pump 1", "Pump 2", "Pump 3", "Pump 4", "pump 5"]);
    let whole = user.get("/devices?limit=7").await.expect(200);
    assert_eq!((names(&whole).len(), whole.next_page()), (7, None));

    let online = whole.body[2]["id"].as_str().unwrap();
    let _ = user.post("/heartbeats", &json!({"device_id": online})).await.expect(202);
    pulso.stored(1).await;
    for (query, expected) in [
        ("q=PUMP%203", &["Pump 3"][..]),
        ("q=0704", &["Pump 4"]),
        ("q=%25", &[]),
        ("q=_", &[]),
        ("q=", &["Pump 0", "Pump 1", "Pump 2", "Pump 3", "Pump 4", "pump 5", "Fan"]),
        ("q=%27%20OR%201=1", &[]),
        ("location=hall%20a", &["Pump 0", "Pump 2", "Pump 4"]),
        ("location=hall", &[]),
        ("location=100%25_%20%5C%20b&q=3", &["Pump 3"]),
        ("status=online", &["Pump 2"]),
        ("status=offline&q=pump&location=Hall%20A", &["Pump 0", "Pump 4"]),
    ] {
        assert_eq!(names(&user.get(&format!("/devices?{query}")).await.expect(200)), expected, "{query}");
    }
    for bad in ["limit=0", "limit=1001", "limit=-1", "limit=x", "cursor=x", "cursor=%00", "status=x", "q=a%00b"] {
        let _ = user.get(&format!("/devices?{bad}")).await.expect(422);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_search_finds_what_the_text_says_and_nothing_of_anybody_else() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let stranger = pulso.client.new_user().await;
    for name in ["Pump 1", "Estação Norte", "100% full", "snake_case", r"back\slash", "ab", "Zähler"] {
        let _ = create(&user, json!({"name": name, "location": "here"})).await.expect(201);
        let _ = create(&stranger, json!({"name": format!("{name} of another")})).await.expect(201);
    }
    let sold = create(&user, json!({"name": "Old", "sn": "000123456789"})).await.expect(201);
    let _ = create(&stranger, json!({"name": "Other", "sn": "000123456789"})).await.expect(201);
    let found = async |text: &str| names(&user.get(&format!("/devices?q={text}")).await.expect(200)).join("|");
    for (text, expected) in [
        ("PUMP", "Pump 1"),
        ("ESTA%C3%87%C3%83O", "Estação Norte"),
        // Case is nothing, an accent is something.
        ("estacao", ""),
        ("Z%C3%84hl", "Zähler"),
        ("%25", "100% full"),
        ("0%25%20f", "100% full"),
        ("_", "snake_case"),
        ("e_c", "snake_case"),
        ("a_b", ""),
        ("%5C", r"back\slash"),
        ("k%5Cs", r"back\slash"),
        // Too short for the index.
        ("a", r"Estação Norte|snake_case|back\slash|ab"),
        ("AB", "ab"),
        ("zz", ""),
        ("123456", "Old"),
        ("6789", "Old"),
        // The end of one field and the start of the next are no text.
        ("old000", ""),
        ("old%20000", ""),
        ("another", ""),
        ("%20Pump%20", "Pump 1"),
    ] {
        assert_eq!(found(text).await, expected, "{text}");
    }
    // What is searched follows what is said of the device.
    let path = format!("/devices/{}", sold.body["id"].as_str().unwrap());
    let _ = user.patch(&path, &json!({"name": "Brand new", "sn": null})).await.expect(200);
    assert_eq!([found("old").await, found("6789").await, found("brand").await], ["", "", "Brand new"]);
    pulso.finish().await;
}

#[tokio::test]
async fn a_poller_sees_each_heartbeat_and_an_editor_only_other_edits() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let path = format!("/devices/{}", device.id);
    let first = user.get(&path).await.expect(200);
    let tag = first.header("etag").unwrap();
    let same = user.get_with(&path, "If-None-Match", &format!("\"x\", W/{tag}")).await.expect(304);
    assert_eq!((same.text.as_str(), same.header("etag")), ("", Some(tag)));

    let (newest, older) = (seconds_from_now(-5), seconds_from_now(-3_600));
    let _ = device.client.post("/heartbeats", &json!({"timestamp": newest, "cpu": 41.3})).await.expect(202);
    let _ = device.client.post("/readings", &json!({"timestamp": older, "humidity": 0})).await.expect(202);
    pulso.stored(2).await;
    let _ = device.client.post("/heartbeats", &json!({"timestamp": older, "cpu": 7})).await.expect(202);
    pulso.stored(3).await;
    let later = user.get_with(&path, "If-None-Match", tag).await.expect(200);
    let latest = &later.body["latest"];
    assert_eq!((&latest["heartbeat"]["cpu_usage"], &latest["reading"]["humidity"]), (&json!(41.3), &json!(0.0)));
    assert!(latest["heartbeat"].get("ram_usage").is_none(), "what was not sent is left out: {latest}");
    assert_eq!((&later.body["status"], &later.body["updated_at"]), (&json!("online"), &first.body["updated_at"]));
    assert_eq!(user.get("/devices").await.expect(200).body, json!([later.body]));

    // The tag from before the heartbeats: they do not get in the way of an edit, but an edit does.
    let edited = edit(&user, Method::PATCH, &path, tag, json!({"name": "edited"})).await.expect(200);
    for method in [Method::PATCH, Method::PUT] {
        let refused = edit(&user, method, &path, tag, json!({"name": "lost update"})).await.expect(412);
        assert_eq!(refused.body["type"], "/problems/precondition-failed");
    }
    assert_eq!(user.get(&path).await.expect(200).body["name"], "edited");
    let _ = edit(&user, Method::PUT, &path, edited.header("etag").unwrap(), json!({"name": "b"})).await.expect(200);
    let _ = edit(&user, Method::PATCH, &path, "*", json!({"name": "c"})).await.expect(200);
    pulso.finish().await;
}

/// How many heartbeats a device has.
async fn heartbeats(pulso: &Pulso, id: &Value) -> i64 {
    let uuid = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{}'", id.as_str().unwrap());
    pulso.database.count(&uuid).await
}

#[tokio::test]
async fn a_serial_number_that_moves_names_its_new_device_on_every_replica() {
    let pulso = Pulso::start().await;
    let (_replica, other) = pulso.start_replica().await;
    let user = pulso.client.new_user().await;
    let elsewhere = other.with_token(user.token().unwrap());
    let old = create(&user, json!({"name": "old", "sn": "000000000001"})).await.expect(201).body;
    let new = create(&user, json!({"name": "new"})).await.expect(201).body;
    let heartbeat = json!({"device_sn": "000000000001", "cpu": 1});
    let sender = elsewhere.clone();
    let stored = async |client: &Client| client.post("/heartbeats?ack=stored", &heartbeat).await.expect(200);
    for client in [&user, &sender] {
        let _ = stored(client).await;
    }
    assert_eq!(heartbeats(&pulso, &old["uuid"]).await, 2);

    // The other replica goes on hearing of the old one until the moment it is changed.
    let path = |device: &Value| format!("/devices/{}", device["id"].as_str().unwrap());
    let _ = user.patch(&path(&old), &json!({"sn": null})).await.expect(200);
    let before = heartbeats(&pulso, &old["uuid"]).await;
    for client in [&user, &elsewhere] {
        let _ = client.post("/heartbeats", &heartbeat).await.expect(404);
    }
    let _ = user.patch(&path(&new), &json!({"sn": "000000000001"})).await.expect(200);
    for client in [&user, &elsewhere] {
        let _ = stored(client).await;
    }
    assert_eq!((heartbeats(&pulso, &old["uuid"]).await, heartbeats(&pulso, &new["uuid"]).await), (before, 2));
    pulso.finish().await;
}

#[tokio::test]
async fn a_device_that_counts_as_offline_too_soon_is_refused() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let refused = create(&user, json!({"name": "x", "offline_after_s": 4})).await.expect(422);
    assert_eq!(refused.faults(), [("/offline_after_s".to_owned(), "out_of_range".to_owned())]);
    let device = create(&user, json!({"name": "x", "offline_after_s": 5})).await.expect(201);
    let path = format!("/devices/{}", device.body["id"].as_str().unwrap());
    let _ = user.patch(&path, &json!({"offline_after_s": 1})).await.expect(422);
    let _ = user.put(&path, &json!({"name": "y", "offline_after_s": 1})).await.expect(422);
    let _ = user.patch(&path, &json!({"offline_after_s": 6})).await.expect(200);
    pulso.finish().await;
}
