//! Signing in, going on, signing out.

use pulso_testkit::{Answer, Client, Options, Pulso};
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

pub async fn refresh(client: &Client, token: &str) -> Answer {
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

/// The refresh token of an answer.
fn token_of(answer: &Answer) -> String {
    answer.body["refresh_token"].as_str().unwrap().to_owned()
}

/// As long after its last use as `REFRESH_REUSE_S` lets it be used again, and no longer.
async fn age_used_tokens(pulso: &Pulso, seconds: i32) {
    let sql = format!("UPDATE refresh_tokens SET used_at = used_at - interval '{seconds} seconds'");
    pulso.database.execute(&sql).await;
}

#[tokio::test]
async fn the_token_before_the_newest_is_answered_again_and_an_older_one_ends_the_whole_session() {
    let pulso = Pulso::start().await;
    let (_process, replica) = pulso.start_replica().await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (_, other_session) = sign_in(client, "ana").await;
    let (first_access, first) = sign_in(client, "ana").await;
    let rotated = refresh(client, &first).await.expect(200);
    let second = token_of(&rotated);
    assert_ne!(second, first);
    // The answer was lost, or another tab asks: it gets what goes on, at either replica.
    for client in [client, &replica] {
        let again = refresh(client, &first).await.expect(200);
        assert_eq!(token_of(&again), second);
        let _ = client.with_token_of(&again).get("/users/me").await.expect(200);
    }
    let _ = client.with_token_of(&rotated).get("/users/me").await.expect(200);
    let newest = refresh(&replica, &second).await.expect(200);
    let (newest_access, third) = (client.with_token_of(&newest), token_of(&newest));
    assert_eq!(token_of(&refresh(client, &second).await.expect(200)), third);
    let _ = first_access.get("/users/me").await.expect(200);

    // Somebody else has an older one: neither of them goes on.
    assert_eq!(refresh(client, &first).await.expect(401).header("www-authenticate"), Some("Bearer"));
    for token in [&second, &third] {
        let _ = refresh(client, token).await.expect(401);
    }
    for access in [&first_access, &newest_access] {
        let _ = access.get("/users/me").await.expect(401);
        let _ = replica.with_token(access.token().unwrap()).get("/users/me").await.expect(401);
    }
    let _ = refresh(client, &other_session).await.expect(200);
    for nonsense in ["", "nonsense", "a\u{0}b"] {
        let _ = refresh(client, nonsense).await.expect(401);
    }
    let _ = client.post("/auth/refresh", &json!({})).await.expect(422);
    pulso.finish().await;
}

#[tokio::test]
async fn a_used_token_is_answered_again_for_half_a_minute() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (_, first) = sign_in(client, "ana").await;
    let second = token_of(&refresh(client, &first).await.expect(200));
    age_used_tokens(&pulso, 20).await;
    assert_eq!(token_of(&refresh(client, &first).await.expect(200)), second);
    age_used_tokens(&pulso, 11).await;
    let _ = refresh(client, &first).await.expect(401);
    let _ = refresh(client, &second).await.expect(401);

    // A session that was ended is not gone on with.
    let (access, first) = sign_in(client, "ana").await;
    let second = token_of(&refresh(client, &first).await.expect(200));
    let _ = access.post("/auth/logout", &json!({})).await.expect(204);
    for token in [&first, &second] {
        let _ = refresh(client, token).await.expect(401);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn without_a_grace_a_second_use_ends_the_session() {
    let api = vec![("REFRESH_REUSE_S", "0".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (access, first) = sign_in(client, "ana").await;
    let _ = refresh(client, &first).await.expect(200);
    let _ = refresh(client, &first).await.expect(401);
    let _ = access.get("/users/me").await.expect(401);
    pulso.finish().await;
}

#[tokio::test]
async fn tabs_that_refresh_at_once_on_two_replicas_all_go_on() {
    let pulso = Pulso::start().await;
    let (_process, replica) = pulso.start_replica().await;
    register(&pulso.client, "ana").await;
    let (_, mut token) = sign_in(&pulso.client, "ana").await;
    for tabs in [2, 2, 2, 12] {
        let mut tries = JoinSet::new();
        for client in [&pulso.client, &replica].into_iter().cycle().take(tabs) {
            let (client, token) = (client.clone(), token.clone());
            tries.spawn(async move { refresh(&client, &token).await });
        }
        let answers: Vec<_> = tries.join_all().await.into_iter().map(|answer| answer.expect(200)).collect();
        token = token_of(&answers[0]);
        for answer in &answers {
            assert_eq!(token_of(answer), token, "of {tabs}");
            for client in [&pulso.client, &replica] {
                let _ = client.with_token_of(answer).get("/users/me").await.expect(200);
            }
        }
    }
    let unused = "SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL";
    assert_eq!(pulso.database.count(unused).await, 1, "one token goes on, however many ask for it");
    pulso.finish().await;
}
