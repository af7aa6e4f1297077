//! Names and passwords by RFC 8265: one account however its name is typed, and no name that deceives.

use pulso_testkit::{Answer, Client, Pulso};
use serde_json::{Value, json};

use crate::support::accounts::PASSWORD;

async fn register(client: &Client, account: Value) -> Answer {
    client.post("/auth/register", &account).await
}

async fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/auth/login", &json!({"username": name, "password": password})).await
}

#[tokio::test]
async fn one_name_is_one_account_however_it_is_typed() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    for (number, (name, shown, others)) in [
        ("José", "José", ["Jose\u{301}", "JOSÉ", "jose\u{301}"]),
        ("ｔａｒｏ", "taro", ["taro", "TARO", "Ｔaro"]),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム", ["ガンダム", "カ\u{3099}ンタ\u{3099}ム", "ｶﾞンダム"]),
        ("\u{1112}\u{1161}\u{11ab}", "한", ["한", "\u{1112}\u{1161}\u{11ab}", "한 "]),
        ("Ana  Lima", "Ana Lima", ["ana lima", "ANA\u{a0}LIMA", " Ana Lima "]),
        ("ΟΔΟΣ", "ΟΔΟΣ", ["οδος", "Οδος", "ΟΔΟΣ"]),
    ]
    .into_iter()
    .enumerate()
    {
        let made = register(client, json!({"username": name, "password": PASSWORD})).await.expect(201);
        assert_eq!(made.body["username"], shown);
        for other in others {
            let email = format!("other-{number}@example.com");
            let taken = register(client, json!({"username": other, "email": email, "password": PASSWORD})).await;
            assert_eq!(taken.expect(409).body["type"], "/problems/conflict", "{other:?}");
            let tokens = sign_in(client, other, PASSWORD).await.expect(200);
            let me = client.with_token_of(&tokens).get("/users/me").await.expect(200);
            assert_eq!(me.body["id"], made.body["id"], "{other:?}");
        }
    }
    pulso.finish().await;
}

#[tokio::test]
async fn an_address_is_one_address_however_it_is_typed() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let decomposed = "jose\u{301}@exa\u{301}mple.com";
    let made = register(client, json!({"email": decomposed, "password": PASSWORD})).await.expect(201);
    assert_eq!(made.body["email"], "josé@exámple.com");
    for other in ["josé@exámple.com", "JOSÉ@EXÁMPLE.COM", decomposed, "josé＠exámple.com"] {
        let _ = register(client, json!({"email": other, "password": PASSWORD})).await.expect(409);
        let _ = client.post("/auth/login", &json!({"email": other, "password": PASSWORD})).await.expect(200);
    }
    // A full-width '@' makes an address of a name, too.
    let foreign = json!({"username": "josé＠exámple.com", "password": PASSWORD});
    let _ = register(client, foreign).await.expect(409);
    pulso.finish().await;
}

#[tokio::test]
async fn what_cannot_be_seen_or_turns_the_line_around_is_told_and_refused() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    for (field, text, character) in [
        ("username", "pay\u{200b}pal", "U+200B"),
        ("username", "\u{202e}yap", "U+202E"),
        ("username", "a\u{2066}b\u{2069}", "U+2066"),
        ("username", "ana\u{ad}", "U+00AD"),
        ("username", "ana\u{2060}", "U+2060"),
        ("username", "a\u{200d}b", "U+200D"),
        ("username", "ana\u{feff}", "U+FEFF"),
        ("username", "ana♥", "U+2665"),
        ("email", "a\u{200b}na@example.com", "U+200B"),
        ("email", "ana@exa\u{202e}mple.com", "U+202E"),
        ("password", "pass\u{200b}words", "U+200B"),
        ("password", "\u{202e}passwords", "U+202E"),
    ] {
        let mut account = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD});
        account[field] = json!(text);
        let refused = register(client, account).await.expect(422);
        assert_eq!(refused.faults(), [(format!("/{field}"), "invalid".to_owned())], "{text:?}");
        let told = refused.body["errors"][0]["detail"].as_str().unwrap();
        assert!(told.contains(character), "{text:?}: {told}");
    }
    let mixed = register(client, json!({"username": "אabc", "password": PASSWORD})).await.expect(422);
    assert_eq!(mixed.faults(), [("/username".to_owned(), "invalid".to_owned())]);
    for name in ["אבג", "محمد", "हिन्दी", "ไทย", "中文", "o'neil", "a.b-c_d", "𞤀𞤣𞤤𞤢𞤥"]
    {
        let _ = register(client, json!({"username": name, "password": PASSWORD})).await.expect(201);
        let _ = sign_in(client, name, PASSWORD).await.expect(200);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_password_passes_on_every_keyboard() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let _ = register(client, json!({"username": "ana", "password": "café du nord"})).await.expect(201);
    for (typed, status) in [
        ("café du nord", 200),
        ("cafe\u{301} du nord", 200),
        ("café\u{a0}du\u{3000}nord", 200),
        ("cafe du nord", 401),
        ("Café du nord", 401),
        ("café\u{200b} du nord", 401),
    ] {
        assert_eq!(sign_in(client, "ana", typed).await.status, status, "{typed:?}");
    }
    // bcrypt's 72 bytes, and the 8 characters, are those of what is hashed.
    let longest = "e\u{301}".repeat(36);
    let _ = register(client, json!({"username": "longest", "password": longest})).await.expect(201);
    let _ = sign_in(client, "longest", &"é".repeat(36)).await.expect(200);
    for password in ["e\u{301}".repeat(37), "e\u{301}".repeat(7)] {
        let _ = register(client, json!({"username": "other", "password": password})).await.expect(422);
    }

    let user = client.signed_in(&json!({"username": "ana", "password": "cafe\u{301} du nord"})).await;
    let change = json!({"new_password": "nai\u{308}ve horse", "current_password": "cafe\u{301} du nord"});
    let _ = user.patch("/users/me", &change).await.expect(200);
    let _ = sign_in(client, "ana", "naïve horse").await.expect(200);
    pulso.finish().await;
}

/// An account as versions before this one wrote it: its name as it was typed, and so its password.
async fn older_account(pulso: &Pulso, name: &str, password: &str) {
    let hash = bcrypt::hash(password, 4).unwrap();
    let sql = "INSERT INTO users (id, username, password_hash, created_at, updated_at)
               VALUES (gen_random_uuid(), $1, $2, now(), now())";
    let _ = pulso.database.query(sql, &[&name, &hash]).await;
}

#[tokio::test]
async fn accounts_of_before_go_on_signing_in() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let decomposed = "Jose\u{301}";
    for (name, password) in
        [("José", "composed one"), (decomposed, "decomposed"), ("pay\u{200b}pal", PASSWORD), ("♥ana♥", PASSWORD)]
    {
        older_account(&pulso, name, password).await;
        let _ = sign_in(client, name, password).await.expect(200);
        let _ = sign_in(client, name, "wrong horse").await.expect(401);
    }
    // Two accounts that are one name by now: each is found by its own spelling.
    let _ = sign_in(client, decomposed, "composed one").await.expect(401);

    // A hash of what was typed is made anew at the sign-in, and passes from any keyboard then.
    older_account(&pulso, "bea", "cafe\u{301} noir").await;
    let _ = sign_in(client, "bea", "café noir").await.expect(401);
    let user = client.signed_in(&json!({"username": "bea", "password": "cafe\u{301} noir"})).await;
    let _ = sign_in(client, "bea", "café noir").await.expect(200);
    // What no new account may have still passes.
    older_account(&pulso, "carl", "pass\u{200b}word").await;
    let _ = sign_in(client, "carl", "pass\u{200b}word").await.expect(200);
    let _ = sign_in(client, "carl", "password").await.expect(401);
    let carl = client.signed_in(&json!({"username": "carl", "password": "pass\u{200b}word"})).await;
    let change = json!({"new_password": PASSWORD, "current_password": "pass\u{200b}word"});
    let _ = carl.patch("/users/me", &change).await.expect(200);
    // An account whose name is kept in its older form may send it back unchanged.
    let joseph = client.signed_in(&json!({"username": decomposed, "password": "decomposed"})).await;
    let saved = joseph.patch("/users/me", &json!({"username": decomposed, "full_name": "José"})).await;
    assert_eq!(saved.status, 409, "its composed form is another account's: {}", saved.text);
    let _ = user.patch("/users/me", &json!({"username": "bea", "full_name": "Bea"})).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn the_migration_gives_a_name_to_the_oldest_of_those_who_share_it() {
    let pulso = Pulso::start().await;
    let up = include_str!("../../../../migrations/2026-12-01-000141_map_names/up.sql");
    let down = include_str!("../../../../migrations/2026-12-01-000141_map_names/down.sql");
    pulso.database.execute(down).await;
    older_account(&pulso, "Jose\u{301}", "the older one").await;
    older_account(&pulso, "José", "the younger one").await;
    older_account(&pulso, "ａｎａ", PASSWORD).await;
    older_account(&pulso, "bob＠example.com", PASSWORD).await;
    pulso.database.execute(up).await;
    let client = &pulso.client;
    let _ = sign_in(client, "José", "the younger one").await.expect(200);
    let _ = sign_in(client, "Jose\u{301}", "the older one").await.expect(200);
    let _ = sign_in(client, "ana", PASSWORD).await.expect(200);
    let _ = register(client, json!({"username": "ana", "password": PASSWORD})).await.expect(409);
    let _ = register(client, json!({"email": "bob@example.com", "password": "battery staple"})).await.expect(201);
    let _ = sign_in(client, "bob@example.com", "battery staple").await.expect(200);
    let _ = sign_in(client, "bob＠example.com", PASSWORD).await.expect(200);
    pulso.finish().await;
}
