//! Who may do what, and how soon a token that was revoked is refused.

use pulso_testkit::{Client, Pulso, eventually};
use serde_json::json;

use crate::sessions::tokens::{refresh, register, sign_in};
use crate::support::accounts::PASSWORD;
use crate::support::start_api;

#[tokio::test]
async fn who_signs_out_or_changes_the_password_is_out_everywhere_at_once() {
    let pulso = Pulso::start().await;
    let (_process, replica) = pulso.start_replica().await;
    let client = &pulso.client;
    register(client, "ana").await;
    let elsewhere = |access: &Client| replica.with_token(access.token().unwrap());

    let (access, token) = sign_in(client, "ana").await;
    let (kept, _) = sign_in(client, "ana").await;
    let _ = elsewhere(&access).get("/users/me").await.expect(200);
    let _ = access.post("/auth/logout", &json!({})).await.expect(204);
    for client in [&elsewhere(&access), &access] {
        for (method, path) in
            [("GET", "/users/me"), ("GET", "/devices"), ("DELETE", "/users/me"), ("POST", "/auth/logout")]
        {
            let refused = client.ask(method, path).await.expect(401);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
        let _ = refresh(client, &token).await.expect(401);
    }
    let _ = elsewhere(&kept).get("/users/me").await.expect(200);
    let _ = client.post("/auth/logout", &json!({})).await.expect(401);

    let (other, other_token) = sign_in(client, "ana").await;
    let new = "another horse";
    for (body, pointer) in [
        (json!({"new_password": new}), "/current_password"),
        (json!({"new_password": new, "current_password": "wrong horse"}), "/current_password"),
        (json!({"new_password": "short", "current_password": PASSWORD}), "/new_password"),
    ] {
        let refused = kept.patch("/users/me", &body).await.expect(422);
        assert_eq!(refused.faults().first().map(|(pointer, _)| pointer.as_str()), Some(pointer), "{}", refused.body);
    }
    let _ = elsewhere(&other).get("/users/me").await.expect(200);
    let _ = kept.patch("/users/me", &json!({"password": new, "old_password": PASSWORD})).await.expect(200);
    let _ = elsewhere(&other).get("/users/me").await.expect(401);
    let _ = refresh(&replica, &other_token).await.expect(401);
    let _ = elsewhere(&kept).get("/users/me").await.expect(200);
    let _ = client.post("/auth/login", &json!({"username": "ana", "password": PASSWORD})).await.expect(401);
    let _ = replica.signed_in(&json!({"username": "ana", "password": new})).await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_deleted_device_and_a_revoked_secret_stop_working_on_every_replica() {
    let mut pulso = Pulso::start().await;
    let (_replica, other) = pulso.start_replica().await;
    let user = pulso.client.new_user().await;
    let (kept, deleted) = (user.new_device().await, user.new_device().await);
    let _ = user.delete(&format!("/devices/{}", deleted.id)).await.expect(204);
    let _ = user.post(&format!("/devices/{}/credentials", kept.id), &json!({})).await.expect(201);
    for device in [&deleted, &kept] {
        let elsewhere = on_replica(&other, &device.client);
        eventually("the token is refused", async || {
            let here = device.client.post("/heartbeats", &json!({})).await.status;
            let there = elsewhere.post("/heartbeats", &json!({})).await.status;
            (here == 401 && there == 401).then_some(())
        })
        .await;
    }
    eventually("what was still taken is in hand", async || (pulso.broker.depth("store").await == 0).then_some(()))
        .await;
    // A worker that has ended has stored or dead-lettered all that it had in hand.
    pulso.worker.as_mut().unwrap().terminate().await;
    pulso.restart_worker().await;
    while pulso.broker.take_dead_letter().await.is_some() {}
    pulso.finish().await;
}

/// A client of another replica with the same token.
fn on_replica(replica: &Client, like: &Client) -> Client {
    replica.with_token(like.token().expect("a token"))
}

#[tokio::test]
async fn whoever_is_no_administrator_is_told_so_and_nothing_of_the_body() {
    let pulso = start_api(Vec::new()).await;
    let (user, id) = (pulso.client.new_user().await, "01JD3ZK8M4T0Q2V6X9Y7B5C1RA");
    for (method, path) in [
        ("POST", "/products".to_owned()),
        ("POST", "/products/import".to_owned()),
        ("PUT", format!("/products/{id}")),
        ("PUT", "/products/no-id".to_owned()),
        ("DELETE", "/products/no-id".to_owned()),
        ("PATCH", format!("/orders/{id}")),
        ("PATCH", format!("/users/{id}")),
        ("GET", "/users?limit=none".to_owned()),
        ("GET", "/admin/audit?limit=none".to_owned()),
        ("GET", "/admin/pipeline".to_owned()),
        ("GET", "/admin/dead-letters?limit=none".to_owned()),
        ("POST", "/admin/dead-letters/replay".to_owned()),
        ("DELETE", "/admin/dead-letters/no-id".to_owned()),
    ] {
        for body in ["nonsense", r#"{"title": 1}"#] {
            let request = user.request(method.parse().unwrap(), &path).header("Content-Type", "application/json");
            let answer = user.send(request.body(body)).await;
            assert_eq!(answer.status, 403, "{method} {path} {body}: {}", answer.body);
        }
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_password_is_hashed_again_at_sign_in_when_the_cost_has_been_raised() {
    let mut pulso = start_api(Vec::new()).await;
    register(&pulso.client, "ana").await;
    register(&pulso.client, "bob").await;
    let login = json!({"username": "ana", "password": PASSWORD});
    let costs = "SELECT count(*) FROM users WHERE password_hash LIKE '$2b$06$%'";
    pulso.restart_api_with(&[("BCRYPT_COST", "6")]).await;
    assert_eq!(pulso.database.count(costs).await, 0);
    let version = "SELECT count(DISTINCT updated_at) FROM users WHERE updated_at = created_at";
    let wrong = json!({"username": "ana", "password": "wrong horse"});
    let _ = pulso.client.post("/auth/login", &wrong).await.expect(401);
    assert_eq!(pulso.database.count(costs).await, 0, "nobody has shown the password");
    let many: tokio::task::JoinSet<u16> = (0..4)
        .map(|_| (pulso.client.clone(), login.clone()))
        .map(|(client, login)| async move { client.post("/auth/login", &login).await.status })
        .collect();
    assert_eq!(many.join_all().await, [200; 4], "whoever comes first");
    assert_eq!(pulso.database.count(costs).await, 1);
    assert_eq!(pulso.database.count(version).await, 2, "an account's version is not its hash's");
    let _ = pulso.client.post("/auth/login", &login).await.expect(200);
    let _ = pulso.client.post("/auth/login", &wrong).await.expect(401);
    // An unknown name is compared with a hash that is there: with its cost, and never with success.
    let unknown = json!({"username": "a", "password": PASSWORD});
    let _ = pulso.client.post("/auth/login", &unknown).await.expect(401);
    let _ = pulso.client.post("/auth/login", &json!({"username": "zoe", "password": PASSWORD})).await.expect(401);
    pulso.finish().await;
}
