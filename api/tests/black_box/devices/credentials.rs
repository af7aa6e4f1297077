//! Devices' secrets and the tokens made from them.

use pulso_testkit::{Answer, Client, Pulso, eventually};
use serde_json::{Value, json};

async fn sign_in(client: &Client, device: &str, secret: &str) -> Answer {
    client.post("/auth/device", &json!({"device_id": device, "secret": secret})).await
}

fn secret(answer: &Answer) -> &str {
    answer.body["secret"].as_str().unwrap()
}

#[tokio::test]
async fn a_secret_is_replaced_at_once_or_with_a_grace() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let path = format!("/devices/{}/credentials", device.id);
    let with = async |secret: &str| sign_in(&pulso.client, &device.id, secret).await;
    let lives = async |client: &Client| client.get(&format!("/devices/{}/latest", device.id)).await.status == 200;

    // At once: the old secret and the tokens made from it.
    let second = user.send(user.request(reqwest::Method::POST, &path)).await.expect(201);
    assert_eq!((with(&device.secret).await.status, lives(&device.client).await), (401, false));
    let token = with(secret(&second)).await.expect(200);
    assert_eq!((&token.body["token_type"], &token.body["expires_in"]), (&json!("bearer"), &json!(86_400)));

    // With a grace both count, and a token of the old one lives no longer than that.
    let third = user.post(&path, &json!({"grace_s": 600})).await.expect(201);
    let graced = with(secret(&second)).await.expect(200);
    assert!((590..=600).contains(&graced.body["expires_in"].as_i64().unwrap()), "{}", graced.body);
    let listed = user.get(&path).await.expect(200);
    assert!(!listed.text.contains("secret") && !listed.text.contains("hash"), "{}", listed.text);
    let ids: Vec<_> = listed.body.as_array().unwrap().iter().map(|row| &row["credential_id"]).collect();
    assert_eq!(ids, [&second.body["credential_id"], &third.body["credential_id"]]);
    assert!(listed.body[0]["expires_at"].is_string() && listed.body[1]["expires_at"].is_null());

    // A shorter grace brings the end forward; it comes by itself.
    let fourth = user.post(&path, &json!({"grace_s": 1})).await.expect(201);
    let (second_device, third_device) = (pulso.client.with_token_of(&graced), pulso.client.with_token_of(&token));
    eventually("the older secrets and tokens have ended", async || {
        let secrets = (with(secret(&second)).await.status, with(secret(&third)).await.status);
        let any_lives = lives(&second_device).await || lives(&third_device).await;
        (secrets == (401, 401) && !any_lives).then_some(())
    })
    .await;
    let newest = pulso.client.with_token_of(&with(secret(&fourth)).await.expect(200));
    assert!(lives(&newest).await);

    // Deleted: the last one, too.
    let last = format!("{path}/{}", fourth.body["credential_id"].as_str().unwrap());
    let another = user.new_device().await;
    let elsewhere = last.replace(&device.id, &another.id);
    let _ = user.delete(&elsewhere).await.expect(404);
    let _ = user.delete(&last.to_lowercase()).await.expect(204);
    let _ = user.delete(&last).await.expect(404);
    assert_eq!((with(secret(&fourth)).await.status, lives(&newest).await), (401, false));
    assert_eq!(user.get(&path).await.expect(200).body, json!([]));
    let _ = with(secret(&user.post(&path, &json!({"grace_s": 0})).await.expect(201))).await.expect(200);

    for grace in [json!(-1), json!(2_592_001), json!("1"), json!(1.5), json!(true)] {
        let _ = user.post(&path, &json!({"grace_s": grace})).await.expect(422);
    }
    let mut made = 1;
    let refused = loop {
        let answer = user.post(&path, &json!({"grace_s": 3_600})).await;
        if answer.status != 201 {
            break answer;
        }
        made += 1;
        assert!(made < 100, "secrets without end");
    };
    assert_eq!((refused.status, made), (409, 20));
    pulso.finish().await;
}

#[tokio::test]
async fn an_unknown_device_and_a_wrong_secret_are_one_answer_and_a_token_opens_nothing_of_its_owners() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let user = client.new_user().await;
    let (device, other) = (user.new_device().await, user.new_device().await);
    let unknown = sign_in(client, "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", &device.secret).await.expect(401);
    for (id, secret) in [(&device.id, "wrong"), (&device.id, ""), (&device.id, "a\u{0}"), (&other.id, &device.secret)] {
        let refused = sign_in(client, id, secret).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert_eq!(refused.problem(), unknown.problem());
    }
    let uuid = user.get(&format!("/devices/{}", device.id)).await.body["uuid"].as_str().unwrap().to_uppercase();
    for id in [device.id.to_lowercase(), uuid] {
        let _ = sign_in(client, &id, &device.secret).await.expect(200);
    }
    for (body, faults) in [
        (json!({}), 2),
        (json!({"device_id": "x", "secret": 5}), 2),
        (json!({"device_id": device.id}), 1),
        (json!({"device_id": null, "secret": device.secret}), 1),
    ] {
        assert_eq!(client.post("/auth/device", &body).await.expect(422).faults().len(), faults, "{body}");
    }

    let own = format!("/devices/{}", device.id);
    for (method, path) in [
        ("GET", "/users/me".to_owned()),
        ("PATCH", "/users/me".to_owned()),
        ("DELETE", "/users/me".to_owned()),
        ("GET", "/users".to_owned()),
        ("POST", "/auth/logout".to_owned()),
        ("GET", "/devices".to_owned()),
        ("POST", "/devices".to_owned()),
        ("GET", own.clone()),
        ("PUT", own.clone()),
        ("PATCH", own.clone()),
        ("DELETE", own.clone()),
        ("GET", format!("{own}/credentials")),
        ("POST", format!("{own}/credentials")),
        ("GET", "/servers".to_owned()),
        ("POST", "/servers".to_owned()),
        ("GET", "/health/all".to_owned()),
        ("GET", format!("/health/{}", device.id)),
    ] {
        let body: Value = json!({"name": "x", "server_name": "x"});
        let request = device.client.request(method.parse().unwrap(), &path).json(&body);
        let refused = device.client.send(request).await;
        assert_eq!((refused.status, &refused.body["type"]), (403, &json!("/problems/forbidden")), "{method} {path}");
    }
    let _ = user.get(&own).await.expect(200);
    pulso.finish().await;
}
