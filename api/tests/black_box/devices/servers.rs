//! Servers: devices under another name.

use pulso_shared::ids::DeviceId;
use pulso_testkit::{Pulso, eventually};
use serde_json::json;

use crate::support::start_api;

#[tokio::test]
async fn a_server_is_a_device_whose_id_is_enough_until_its_owner_says_otherwise() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let made = user.post("/servers/", &json!({"server_name": " Dolly #1 "})).await.expect(201);
    let id = made.body["server_ulid"].as_str().unwrap();
    let expected = json!({"server_ulid": id, "server_name": "Dolly #1"});
    assert_eq!(made.body, expected);
    let second = user.post("/api/v1/servers", &json!({"server_name": "Dolly #1"})).await.expect(201);

    assert_eq!(user.get("/servers").await.expect(200).body, json!([expected, second.body]));
    let first_page = user.get("/servers?limit=1").await.expect(200);
    assert_eq!(first_page.body, json!([expected]));
    let second_page = user.get(&first_page.next_page().unwrap()).await.expect(200);
    assert_eq!((second_page.next_page(), second_page.body), (None, json!([second.body])));
    assert_eq!(pulso.client.new_user().await.get("/servers").await.expect(200).body, json!([]));

    let path = format!("/servers/{id}");
    let read = user.get(&path.to_lowercase()).await.expect(200);
    assert_eq!(read.body, expected);
    let _ = user.get_with(&path, "If-None-Match", read.header("etag").unwrap()).await.expect(304);
    for (method, path) in [("GET", format!("/servers/{}", device.id)), ("DELETE", format!("/servers/{}", device.id))] {
        let _ = user.ask(method, &path).await.expect(404);
    }
    let device_path = format!("/devices/{id}");
    let as_device = user.get(&device_path).await.expect(200);
    assert_eq!((&as_device.body["ingest_auth"], &as_device.body["offline_after_s"]), (&json!("open"), &json!(10)));
    assert_eq!(user.get("/devices?q=dolly").await.expect(200).body.as_array().map(Vec::len), Some(2));

    let data = json!({"server_ulid": id, "temperature": 25.5});
    let _ = pulso.client.post("/data", &data).await.expect(201);
    let _ = pulso.client.post("/data", &json!({"server_ulid": device.id, "temperature": 1})).await.expect(401);
    let _ = user.patch(&device_path, &json!({"ingest_auth": "token"})).await.expect(200);
    let mut taken = 1;
    eventually("the id alone is not enough any more", async || {
        let status = pulso.client.post("/data", &data).await.status;
        taken += i64::from(status == 201);
        (status == 401).then_some(())
    })
    .await;
    let _ = user.post("/data", &data).await.expect(201);
    // A PUT that does not say makes it open again, as servers are.
    let put = user.put(&device_path, &json!({"name": "Dolly #2"})).await.expect(200);
    assert_eq!((&put.body["ingest_auth"], &put.body["offline_after_s"]), (&json!("open"), &json!(10)));
    pulso.stored(taken + 1).await;

    let _ = user.delete(&path).await.expect(204);
    for path in [&path, &device_path] {
        let _ = user.get(path).await.expect(404);
    }
    let _ = user.post("/data", &data).await.expect(404);
    for caller in [&pulso.client, &device.client, &user] {
        let _ = caller.post("/data", &data).await.expect(404);
    }
    for bad in [json!({}), json!({"server_name": null}), json!({"server_name": " "}), json!({"server_name": "a\u{0}"})]
    {
        let refused = user.post("/servers", &bad).await.expect(422);
        assert_eq!(refused.faults().first().map(|(pointer, _)| pointer.as_str()), Some("/server_name"));
    }
    let _ = user.post("/servers", &json!({"server_name": "x".repeat(201)})).await.expect(422);
    let _ = pulso.client.post("/servers", &json!({"server_name": "nobody's"})).await.expect(401);
    pulso.finish().await;
}

#[tokio::test]
async fn data_for_a_server_that_does_not_exist_is_a_404_for_everybody() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let unknown = DeviceId::generate();
    let names = [unknown.to_string(), unknown.to_string().to_lowercase(), unknown.as_uuid().to_string()];
    for caller in [&pulso.client, &device.client, &user] {
        for (name, id) in [("server_ulid", &names[0]), ("server_ulid", &names[1]), ("device_id", &names[2])] {
            let answer = caller.post("/data", &json!({name: id, "temperature": 25.5})).await.expect(404);
            assert_eq!(answer.body["type"], json!("/problems/not-found"), "{id}");
        }
        let _ = caller.post("/data?ack=stored", &json!({"server_ulid": unknown, "temperature": "x"})).await.expect(404);
        let malformed = caller.post("/data", &json!({"server_ulid": "Dolly", "temperature": 25.5})).await.expect(422);
        assert_eq!(malformed.faults(), [("/server_ulid".to_owned(), "invalid".to_owned())]);
    }
    // One that exists, and is not open, needs a credential; and the other routes tell nobody which do.
    let theirs = pulso.client.new_user().await.new_device().await;
    let known = json!({"server_ulid": theirs.id, "temperature": 25.5});
    let nobody = pulso.client.post("/data", &known).await.expect(401);
    assert!(nobody.header("www-authenticate").is_some());
    let _ = device.client.post("/data", &known).await.expect(403);
    let _ = user.post("/data", &known).await.expect(404);
    let _ = pulso.client.post("/data", &json!({"temperature": 25.5})).await.expect(401);
    for route in ["/heartbeats", "/readings", "/telemetry"] {
        let body = json!({"server_ulid": unknown, "temperature": 25.5});
        let _ = pulso.client.post(route, &body).await.expect(401);
        let _ = device.client.post(route, &body).await.expect(403);
    }
    pulso.finish().await;

    let closed = start_api(vec![("ALLOW_OPEN_INGEST", "false".into())]).await;
    let _ = closed.client.post("/data", &json!({"server_ulid": unknown, "temperature": 25.5})).await.expect(404);
    closed.finish().await;
}
