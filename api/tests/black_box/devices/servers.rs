//! Servers: devices under another name.

use pulso_testkit::{Pulso, eventually};
use serde_json::json;

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
    // Whoever has no credential learns of no device that it exists, or that it did.
    let _ = pulso.client.post("/data", &data).await.expect(401);
    for bad in [json!({}), json!({"server_name": null}), json!({"server_name": " "}), json!({"server_name": "a\u{0}"})]
    {
        let refused = user.post("/servers", &bad).await.expect(422);
        assert_eq!(refused.faults().first().map(|(pointer, _)| pointer.as_str()), Some("/server_name"));
    }
    let _ = user.post("/servers", &json!({"server_name": "x".repeat(201)})).await.expect(422);
    let _ = pulso.client.post("/servers", &json!({"server_name": "nobody's"})).await.expect(401);
    pulso.finish().await;
}
