//! Signing in, going on, signing out.

use pulso_testkit::{Client, Pulso};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::accounts::PASSWORD;

pub async fn register(client: &Client, username: &str) {
    let account = json!({"username": username, "email": format!("{username}@example.com"), "password": PASSWORD});
    let _ = client.post("/auth/register", &account).await.expect(201);
}

/// Signs in; hands back a client with the access token, and the refresh token.
pub async fn sign_in(client: &Client, username: &str) -> (Client, String) {
    let tokens = client.post("/auth/login", &json!({"username": username, "password": PASSWORD})).await.expect(200);
    (client.with_token_of(&tokens), tokens.body["refresh_token"].as_str().unwrap().to_owned())
}

pub async fn refresh(client: &Client, token: &str) -> pulso_testkit::Answer {
    client.post("/auth/refresh", &json!({"refresh_token": token})).await
}

#[tokio::test]
async fn every_way_to_sign_in_leads_to_the_same_account_and_no_other_does() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    register(client, "ana").await;
    for login in [
        json!({"username": "ana", "password": PASSWORD}),
        json!({"username": " ANA ", "password": PASSWORD, "remember": true}),
        json!({"username": "ana@example.com", "password": PASSWORD}),
        json!({"email": "Ana@Example.com", "password": PASSWORD}),
    ] {
        for path in ["/auth/login", "/login", "/login/", "/api/v1/auth/login/"] {
            let tokens = client.post(path, &login).await.expect(200);
            assert_eq!(tokens.body["token_type"], "bearer");
            assert_eq!(tokens.body["expires_in"], 900);
            assert!(!tokens.text.contains("password"), "{}", tokens.text);
            let me = client.with_token_of(&tokens).get("/users/me/").await.expect(200);
            assert_eq!(me.body["username"], "ana");
        }
    }
    let form = async |path: &str, body: &'static str| {
        let request = client.request(Method::POST, path).header("Content-Type", "application/x-www-form-urlencoded");
        client.send(request.body(body)).await
    };
    for body in ["username=ana&password=correct+horse", "email=ana%40example.com&password=correct%20horse&x=1"] {
        let tokens = form("/auth/login", body).await.expect(200);
        let _ = client.with_token_of(&tokens).get("/users/me").await.expect(200);
        let _ = form("/login", body).await.expect(200);
    }

    // Unknown and wrong: one answer.
    let unknown = client.post("/auth/login", &json!({"username": "nobody", "password": PASSWORD})).await.expect(401);
    let wrong = client.post("/auth/login", &json!({"username": "ana", "password": "wrong horse"})).await.expect(401);
    let wrong_form = form("/auth/login", "username=ana&password=wrong").await.expect(401);
    for answer in [&unknown, &wrong, &wrong_form] {
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.problem(), unknown.problem());
    }
    for injection in ["ana' OR '1'='1", "ana%", "an_", "*"] {
        let _ = client.post("/auth/login", &json!({"username": injection, "password": PASSWORD})).await.expect(401);
    }
    let missing = client.post("/auth/login", &json!({"username": 5})).await.expect(422);
    let expected = [("/password", "required"), ("/username", "wrong_type")];
    assert_eq!(missing.faults(), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    let _ = client.post("/auth/login", &json!({"username": "a\u{0}", "password": PASSWORD})).await.expect(422);
    let _ = form("/auth/login", "username=ana").await.expect(422);
    let _ = client.post_raw("/auth/login", "{").await.expect(400);
    let text = client.request(Method::POST, "/auth/login").header("Content-Type", "text/plain").body("{}");
    let _ = client.send(text).await.expect(415);
    for header in ["Bearer", "Bearer ", "Bearer nonsense", "Basic YW5hOmFuYQ==", "nonsense", "Bearer a.b.c"] {
        let refused = client.get_with("/users/me", "Authorization", header).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"), "{header}");
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_refresh_token_counts_once_and_a_second_use_ends_the_whole_session() {
    let pulso = Pulso::start().await;
    let (_process, replica) = pulso.start_replica().await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (_, other_session) = sign_in(client, "ana").await;
    let (first_access, first) = sign_in(client, "ana").await;
    let rotated = refresh(client, &first).await.expect(200);
    let second = rotated.body["refresh_token"].as_str().unwrap();
    assert_ne!(second, first);
    let third = refresh(&replica, second).await.expect(200);
    let (third_access, third) = (client.with_token_of(&third), third.body["refresh_token"].as_str().unwrap());
    let _ = first_access.get("/users/me").await.expect(200);

    // Somebody else has it too: neither of them goes on.
    assert_eq!(refresh(client, &first).await.expect(401).header("www-authenticate"), Some("Bearer"));
    let _ = refresh(client, third).await.expect(401);
    for access in [&first_access, &third_access] {
        let _ = access.get("/users/me").await.expect(401);
        let _ = replica.with_token(access.token().unwrap()).get("/users/me").await.expect(401);
    }
    let _ = refresh(client, &other_session).await.expect(200);
    for nonsense in ["", "nonsense", "a\u{0}b"] {
        let _ = refresh(client, nonsense).await.expect(401);
    }
    let _ = client.post("/auth/refresh", &json!({})).await.expect(422);

    // Many at once, on both replicas.
    let (access, token) = sign_in(client, "ana").await;
    let mut tries = JoinSet::new();
    for (number, client) in [client, &replica].into_iter().cycle().take(12).enumerate() {
        let (client, token) = (client.clone(), token.clone());
        tries.spawn(async move { (number, refresh(&client, &token).await) });
    }
    let mut winners = 0;
    for (number, answer) in tries.join_all().await {
        assert!([200, 401].contains(&answer.status), "{number}: {}", answer.text);
        winners += i32::from(answer.status == 200);
        if answer.status == 200 {
            let _ = refresh(client, answer.body["refresh_token"].as_str().unwrap()).await.expect(401);
        }
    }
    assert!(winners <= 1, "{winners} got new tokens for one");
    let _ = access.get("/users/me").await.expect(401);
    pulso.finish().await;
}
