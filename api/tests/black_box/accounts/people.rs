//! Accounts: made, changed, deleted, administered.

use pulso_testkit::{Answer, Client, Pulso, eventually};
use serde_json::{Value, json};

use crate::support::accounts::{PASSWORD, start_with_administrator};
use crate::support::start_api;
use crate::support::time::seconds_from_now;

/// Neither a hash's column nor a hash itself has any business in an answer.
fn tells_no_hash(answer: Answer) -> Answer {
    assert!(!answer.text.contains("password_hash") && !answer.text.contains("$2"), "{}", answer.text);
    answer
}

async fn register(client: &Client, account: Value) -> Answer {
    tells_no_hash(client.post("/auth/register", &account).await)
}

#[tokio::test]
async fn a_name_or_an_address_is_taken_once_whatever_its_case() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let ana = json!({"username": " Ana ", "email": "Ana@Example.com", "password": PASSWORD, "full_name": "Ana Lima"});
    let made = register(client, ana).await.expect(201);
    assert_eq!((&made.body["username"], &made.body["email"]), (&json!("Ana"), &json!("Ana@Example.com")));
    assert_eq!(made.body["id"].as_str().map(str::len), Some(26));
    assert!(made.body["created_at"].as_str().unwrap().ends_with('Z'));
    for taken in [
        json!({"username": "aNA", "password": PASSWORD}),
        json!({"username": "other", "email": "ANA@example.COM", "password": PASSWORD}),
        json!({"email": "ana@example.com", "password": PASSWORD}),
        // A name that is somebody's address would sign in as them.
        json!({"username": "ana@example.com", "password": PASSWORD}),
    ] {
        let refused = register(client, taken.clone()).await;
        assert_eq!((refused.status, &refused.body["type"]), (409, &json!("/problems/conflict")), "{taken}");
    }
    let _ = register(client, json!({"email": "bea@example.com", "password": PASSWORD})).await.expect(201);
    let classic = json!({"username": "bea", "email": "bea@example.org", "password": PASSWORD, "unknown": [1]});
    let _ = client.post("/register/", &classic).await.expect(201);

    let mut tries = tokio::task::JoinSet::new();
    for name in ["carl", "CARL", "Carl", "cARL"] {
        let client = client.clone();
        tries.spawn(async move { register(&client, json!({"username": name, "password": PASSWORD})).await.status });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409], "of those who come at once one gets the name");
    pulso.finish().await;
}

#[tokio::test]
async fn what_cannot_be_an_account_is_told_with_all_its_faults() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let all_wrong = json!({"username": "a\u{0}b", "email": "nobody", "password": "1234567", "full_name": 5});
    let faults = register(client, all_wrong).await.expect(422).faults();
    let expected =
        [("/email", "invalid"), ("/full_name", "wrong_type"), ("/password", "invalid"), ("/username", "invalid")];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));

    let good = json!({"username": "ana", "password": PASSWORD});
    for (field, value, code) in [
        ("username", json!("x".repeat(65)), "invalid"),
        ("username", json!("x".repeat(200_000)), "invalid"),
        ("username", json!(["ana"]), "wrong_type"),
        ("username", json!("   "), "required"),
        ("username", json!("ana@home"), "invalid"),
        ("password", json!("1234567"), "invalid"),
        ("password", json!("x".repeat(73)), "invalid"),
        ("password", json!("ç".repeat(37)), "invalid"),
        ("password", json!("12345678\u{0}"), "invalid"),
        ("password", json!(12_345_678), "wrong_type"),
        ("password", json!(null), "required"),
        ("email", json!(format!("{}@example.com", "x".repeat(250))), "invalid"),
        ("full_name", json!("x".repeat(201)), "invalid"),
    ] {
        let mut account = good.clone();
        account[field] = value;
        let refused = register(client, account).await.expect(422);
        assert_eq!(refused.faults(), [(format!("/{field}"), code.to_owned())], "{}", refused.body);
        assert!(!refused.text.contains("12345678"), "a password is not repeated: {}", refused.text);
    }
    for unreadable in ["", "{", "[]", "7", "\"x\""] {
        let _ = client.post_raw("/auth/register", unreadable).await.expect(400);
    }
    assert_eq!(pulso.database.count("SELECT count(*) FROM users").await, 0);

    // The longest password and the shortest one; bcrypt would read the first 72 bytes of a longer attempt and be content.
    let longest = "x".repeat(72);
    let _ = register(client, json!({"username": "longest", "password": longest})).await.expect(201);
    let _ = register(client, json!({"username": "shortest", "password": "çççççççç"})).await.expect(201);
    let attempt = async |password: &str| {
        client.post("/auth/login", &json!({"username": "longest", "password": password})).await.status
    };
    assert_eq!((attempt(&longest).await, attempt(&format!("{longest}y")).await), (200, 401));
    pulso.finish().await;
}

#[tokio::test]
async fn the_classic_registration_requires_all_three() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    for path in ["/register", "/register/", "/api/v1/register", "/api/v1/register/"] {
        for field in ["username", "email", "password"] {
            let mut account = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD});
            account.as_object_mut().unwrap().remove(field);
            let missing = client.post(path, &account).await.expect(422);
            assert_eq!(missing.faults(), [(format!("/{field}"), "required".to_owned())], "{path}");
            account[field] = json!(null);
            let null = client.post(path, &account).await.expect(422);
            assert_eq!(null.faults(), [(format!("/{field}"), "required".to_owned())], "{path}");
            account[field] = json!("  ");
            assert_eq!(client.post(path, &account).await.expect(422).faults()[0].0, format!("/{field}"));
        }
        let all = client.post(path, &json!({})).await.expect(422).faults();
        assert_eq!(all.len(), 3, "{all:?}");
    }
    assert_eq!(pulso.database.count("SELECT count(*) FROM users").await, 0);
    let ana = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD});
    let made = client.post("/register/", &ana).await.expect(201);
    assert_eq!((&made.body["username"], &made.body["email"]), (&json!("ana"), &json!("ana@example.com")));
    // The other one is content with a name of either kind.
    for path in ["/auth/register", "/auth/register/"] {
        let name = format!("bea{}", path.len());
        let _ = client.post(path, &json!({"username": name, "password": PASSWORD})).await.expect(201);
        let _ = client.post(path, &json!({"email": format!("{name}@x.co"), "password": PASSWORD})).await.expect(201);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn people_change_and_delete_their_own_account() {
    let pulso = Pulso::start().await;
    let client = &pulso.client;
    let account = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD});
    let _ = register(client, account.clone()).await.expect(201);
    let _ = register(client, json!({"username": "bea", "password": PASSWORD})).await.expect(201);
    let user = client.signed_in(&account).await;
    let me = tells_no_hash(user.get("/users/me").await.expect(200));
    assert_eq!((&me.body["full_name"], &me.body["is_admin"]), (&json!(null), &json!(false)));
    let tag = me.header("etag").unwrap();
    let _ = user.get_with("/users/me", "If-None-Match", tag).await.expect(304);

    let edit = user.request(reqwest::Method::PATCH, "/users/me").header("If-Match", tag);
    let edited = tells_no_hash(user.send(edit.json(&json!({"full_name": "Ana Lima"}))).await.expect(200));
    assert_eq!((&edited.body["full_name"], &edited.body["username"]), (&json!("Ana Lima"), &json!("ana")));
    let stale = user.request(reqwest::Method::PATCH, "/users/me").header("If-Match", tag);
    let _ = user.send(stale.json(&json!({"full_name": "Nobody"}))).await.expect(412);
    let _ = user.patch("/users/me", &json!({"username": "BEA", "current_password": PASSWORD})).await.expect(409);
    let nameless = user.patch("/users/me", &json!({"username": null, "email": null})).await.expect(422);
    assert_eq!(nameless.faults(), [("/username".to_owned(), "required".to_owned())]);
    let change = json!({"is_admin": true, "username": null, "current_password": PASSWORD});
    let promoted = user.patch("/users/me", &change).await.expect(200);
    assert_eq!((&promoted.body["is_admin"], &promoted.body["username"]), (&json!(false), &json!(null)));

    let (device, other) = (user.new_device().await, user.new_device().await);
    let bystander = client.new_user().await.new_device().await;
    for device in [&device, &other, &bystander] {
        let _ = device.client.post("/heartbeats", &json!({"timestamp": seconds_from_now(-5)})).await.expect(202);
        let _ = device
            .client
            .post("/readings", &json!({"timestamp": seconds_from_now(-5), "voltage": 0}))
            .await
            .expect(202);
    }
    pulso.stored(6).await;
    let _ = user.delete_own_account().await.expect(204);
    let devices = "SELECT count(*) FROM devices";
    eventually("its devices are gone", async || (pulso.database.count(devices).await == 1).then_some(())).await;
    let kept = "SELECT (SELECT count(*) FROM heartbeats) + (SELECT count(*) FROM readings)";
    eventually("only the bystander's rows are left", async || (pulso.database.count(kept).await == 2).then_some(()))
        .await;
    let _ = user.get("/users/me").await.expect(401);
    let _ = device.client.post("/heartbeats", &json!({})).await.expect(401);
    let _ = device.client.get(&format!("/devices/{}/latest", device.id)).await.expect(401);
    let _ = client.post("/auth/login", &json!({"email": "ana@example.com", "password": PASSWORD})).await.expect(401);
    let secret = json!({"device_id": device.id, "secret": device.secret});
    let _ = client.post("/auth/device", &secret).await.expect(401);
    let _ = register(client, account).await.expect(201);
    pulso.finish().await;
}

#[tokio::test]
async fn administrators_see_and_change_everybody_and_one_always_remains() {
    let (pulso, root) = start_with_administrator().await;
    let client = &pulso.client;
    let ana = json!({"username": "ana", "password": PASSWORD});
    let _ = register(client, ana.clone()).await.expect(201);
    let user = client.signed_in(&ana).await;
    let _replica = pulso.start_replica().await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM users").await, 2, "a second start makes no second one");

    let _ = client.get("/users").await.expect(401);
    let listed = tells_no_hash(root.get("/users").await.expect(200));
    let names: Vec<_> = listed.body.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "ana"]);
    let first = root.get("/users?limit=1").await.expect(200);
    let second = root.get(&first.next_page().unwrap()).await.expect(200);
    assert_eq!((&second.body[0]["username"], second.next_page()), (&json!("ana"), None));
    let of = |number: usize| format!("/users/{}", listed.body[number]["id"].as_str().unwrap());
    let (root_path, ana_path) = (of(0), of(1));

    let _ = user.get("/users").await.expect(403);
    let _ = user.patch(&ana_path, &json!({"is_admin": true})).await.expect(403);
    let _ = root.patch("/users/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", &json!({"is_admin": true})).await.expect(404);
    let _ = root.patch(&ana_path, &json!({"is_admin": null})).await.expect(422);
    let _ = root.patch(&root_path, &json!({"is_admin": false})).await.expect(409);
    let _ = root.delete_own_account().await.expect(409);
    let _ = tells_no_hash(root.patch(&ana_path.to_lowercase(), &json!({"is_admin": true})).await.expect(200));
    let second_administrator = client.signed_in(&ana).await;
    let _ = second_administrator.get("/users").await.expect(200);

    // Demoted: the tokens that say "administrator" end at once.
    let _ = root.patch(&ana_path, &json!({"is_admin": false})).await.expect(200);
    let _ = second_administrator.get("/users").await.expect(401);
    let demoted = client.signed_in(&ana).await;
    let _ = demoted.get("/users").await.expect(403);
    // A new password for somebody who has forgotten theirs.
    let _ = root.patch(&ana_path, &json!({"password": "another horse"})).await.expect(200);
    let _ = demoted.get("/users/me").await.expect(401);
    let _ = client.post("/auth/login", &ana).await.expect(401);
    let _ = client.signed_in(&json!({"username": "ana", "password": "another horse"})).await;
    pulso.finish().await;
}

/// SQL that gives the newest account so many devices.
fn devices(count: u32) -> String {
    format!(
        "WITH made AS (
            INSERT INTO devices (id, owner_id, name, ingest_auth, offline_after_s, created_at, updated_at)
            SELECT gen_random_uuid(), owner.id, 'device', 'token', 180, now(), now()
            FROM (SELECT id FROM users ORDER BY id DESC LIMIT 1) AS owner, generate_series(1, {count})
            RETURNING id
        ), known AS (INSERT INTO device_state (device_id) SELECT id FROM made)
        INSERT INTO device_credentials (id, device_id, secret_hash, created_at)
        SELECT gen_random_uuid(), id, sha256(uuid_send(id)), now() FROM made"
    )
}

#[tokio::test]
async fn an_account_of_12_000_devices_is_gone_at_once_on_every_replica() {
    let pulso = start_api(Vec::new()).await;
    let (_replica, other) = pulso.start_replica().await;
    let ana = json!({"username": "ana", "password": PASSWORD});
    let _ = register(&pulso.client, ana.clone()).await.expect(201);
    let user = pulso.client.signed_in(&ana).await;
    let device = user.new_device().await;
    let open = user.post("/servers", &json!({"server_name": "open"})).await.expect(201);
    let open_path = format!("/devices/{}/heartbeats", open.body["server_ulid"].as_str().unwrap());
    pulso.database.execute(&devices(12_000)).await;
    for client in [&pulso.client, &other] {
        let _ = client.post(&open_path, &json!({"cpu": 1})).await.expect(202);
    }

    let _ = user.delete_own_account().await.expect(204);
    let count = async |table: &str| pulso.database.count(&format!("SELECT count(*) FROM {table}")).await;
    assert_eq!((count("users").await, count("account_purges").await), (0, 1));
    // No longer valid: the session and the user, who is named in all devices' tokens.
    assert_eq!((count("devices").await, count("device_purges").await, count("revocations").await), (12_002, 0, 2));
    for answer in [
        user.get("/users/me").await,
        user.get("/devices").await,
        device.client.post("/heartbeats", &json!({"cpu": 1})).await,
        device.client.get(&format!("/devices/{}/latest", device.id)).await,
        pulso.client.post(&open_path, &json!({"cpu": 1})).await,
        pulso.client.post("/auth/device", &json!({"device_id": device.id, "secret": device.secret})).await,
        pulso.client.post("/auth/login", &ana).await,
    ] {
        let _ = answer.expect(401);
    }
    let elsewhere = other.with_token(device.client.token().unwrap());
    eventually("its tokens count nowhere", async || {
        let sent = elsewhere.post("/heartbeats", &json!({"cpu": 1})).await.status;
        let open = other.post(&open_path, &json!({"cpu": 1})).await.status;
        (sent == 401 && open == 401).then_some(())
    })
    .await;
    let _ = register(&pulso.client, ana.clone()).await.expect(201);
    let again = pulso.client.signed_in(&ana).await;
    assert_eq!(again.get("/devices").await.expect(200).body, json!([]));
    pulso.finish().await;
}

#[tokio::test]
async fn the_first_administrator_is_made_once_and_never_comes_back() {
    let (mut pulso, root) = start_with_administrator().await;
    let _ = root.patch("/users/me", &json!({"username": "operator", "current_password": PASSWORD})).await.expect(200);
    pulso.restart_api().await;
    let users = "SELECT count(*) FROM users";
    assert_eq!(pulso.database.count(users).await, 1, "renamed");
    let operator = pulso.client.signed_in(&json!({"username": "operator", "password": PASSWORD})).await;

    let made = register(&pulso.client, json!({"username": "ana", "password": PASSWORD})).await.expect(201);
    let ana = format!("/users/{}", made.body["id"].as_str().unwrap());
    let _ = operator.patch(&ana, &json!({"is_admin": true})).await.expect(200);
    let _ = operator.delete_own_account().await.expect(204);
    pulso.restart_api().await;
    assert_eq!(pulso.database.count(users).await, 1, "replaced by another");
    let _ = pulso.client.post("/auth/login", &json!({"username": "root", "password": PASSWORD})).await.expect(401);

    // Two that start at once where there is none.
    pulso.database.execute("UPDATE users SET is_admin = false").await;
    let (first, second) = tokio::join!(pulso.start_replica(), pulso.start_replica());
    assert_eq!(pulso.database.count("SELECT count(*) FROM users WHERE is_admin").await, 1);
    drop((first, second));
    pulso.finish().await;
}

#[tokio::test]
async fn who_leaves_waits_for_no_administrator() {
    let (pulso, root) = start_with_administrator().await;
    let user = pulso.client.new_user().await;
    pulso.database.execute("BEGIN; SELECT FROM users WHERE is_admin FOR UPDATE").await;
    let _ = user.delete_own_account().await.expect(204);
    pulso.database.execute("COMMIT").await;
    let _ = root.delete_own_account().await.expect(409);
    pulso.finish().await;
}

#[tokio::test]
async fn a_task_or_a_device_is_not_added_to_an_account_that_is_being_deleted() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    // As a deletion that has not committed yet.
    pulso.database.execute("BEGIN; DELETE FROM users").await;
    let adding = [
        tokio::spawn(adding(&user, "/devices", json!({"name": "x"}))),
        tokio::spawn(adding(&user, "/servers", json!({"server_name": "x"}))),
        tokio::spawn(adding(&user, "/tasks", json!({"title": "x"}))),
    ];
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("all wait", async || {
        // A transaction looks at these statistics once.
        pulso.database.execute("SELECT pg_stat_clear_snapshot()").await;
        (pulso.database.count(waiting).await == 3).then_some(())
    })
    .await;
    pulso.database.execute("COMMIT").await;
    for added in adding {
        assert_eq!(added.await.unwrap(), 401);
    }
    let left = "SELECT (SELECT count(*) FROM devices) + (SELECT count(*) FROM tasks)";
    assert_eq!(pulso.database.count(left).await, 0);
    pulso.finish().await;
}

fn adding(user: &Client, path: &'static str, body: Value) -> impl Future<Output = u16> + use<> {
    let user = user.clone();
    async move { user.post(path, &body).await.status }
}

#[tokio::test]
async fn no_answer_ever_holds_a_password_or_its_hash() {
    let (pulso, root) = start_with_administrator().await;
    let client = &pulso.client;
    let account = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD, "full_name": "Ana"});
    let registered = client.post("/auth/register", &account).await.expect(201);
    let ana = client.signed_in(&account).await;
    let change = json!({"full_name": "Ana Lima", "password": "another horse", "old_password": PASSWORD});
    let id = registered.body["id"].as_str().unwrap().to_owned();
    let answers = [
        registered,
        client.post("/auth/register", &account).await.expect(409),
        client.post("/auth/login", &account).await.expect(200),
        client.post("/auth/login?session=cookie", &account).await.expect(200),
        client.post("/auth/login", &json!({"username": PASSWORD, "password": "x"})).await.expect(401),
        client.post("/auth/login", &json!({"username": 5, "password": [PASSWORD]})).await.expect(422),
        ana.get("/users/me").await.expect(200),
        ana.patch("/users/me", &change).await.expect(200),
        root.get("/users").await.expect(200),
        root.patch(&format!("/users/{id}"), &json!({"password": PASSWORD})).await.expect(200),
    ];
    let hashes = pulso.database.count("SELECT count(*) FROM users WHERE password_hash LIKE '$2b$%'").await;
    assert_eq!(hashes, 2, "what is looked for below is what there is");
    for answer in answers {
        let everything = format!("{} {:?}", answer.text, answer.headers);
        for secret in ["$2b$", "$2a$", "password_hash", PASSWORD, "another horse"] {
            assert!(!everything.contains(secret), "{secret} in {everything}");
        }
        assert!(!holds_key(&answer.body, "password"), "{}", answer.text);
    }
    pulso.finish().await;
}

fn holds_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| name == key || holds_key(value, key)),
        Value::Array(items) => items.iter().any(|item| holds_key(item, key)),
        _ => false,
    }
}

#[tokio::test]
async fn whoever_finds_a_browser_open_can_neither_delete_the_account_nor_rename_it() {
    let pulso = start_api(Vec::new()).await;
    let account = json!({"username": "ana", "email": "ana@example.com", "password": PASSWORD});
    let _ = register(&pulso.client, account.clone()).await.expect(201);
    let user = pulso.client.signed_in(&account).await;
    let delete = async |body: Value| user.send(user.request(reqwest::Method::DELETE, "/users/me").json(&body)).await;
    let required = [("/current_password".to_owned(), "required".to_owned())];
    let wrong = [("/current_password".to_owned(), "wrong_password".to_owned())];
    assert_eq!(user.delete("/users/me").await.expect(422).faults(), required);
    assert_eq!(delete(json!({})).await.expect(422).faults(), required);
    assert_eq!(delete(json!({"current_password": "wrong horse"})).await.expect(422).faults(), wrong);
    for change in [json!({"username": "eve"}), json!({"username": null}), json!({"email": "eve@example.com"})] {
        assert_eq!(user.patch("/users/me", &change).await.expect(422).faults(), required, "{change}");
        let mut guessed = change.clone();
        guessed["current_password"] = json!("wrong horse");
        assert_eq!(user.patch("/users/me", &guessed).await.expect(422).faults(), wrong, "{guessed}");
    }
    // A page that sends the whole profile back changes no name.
    let same = json!({"username": "ana", "email": "ana@example.com", "full_name": "Ana Lima"});
    assert_eq!(user.patch("/users/me", &same).await.expect(200).body["full_name"], "Ana Lima");
    let renamed = json!({"username": "anabel", "email": "anabel@example.com", "old_password": PASSWORD});
    assert_eq!(user.patch("/users/me", &renamed).await.expect(200).body["username"], "anabel");
    let other_session = pulso.client.signed_in(&json!({"username": "anabel", "password": PASSWORD})).await;
    let _ = delete(json!({"password": PASSWORD})).await.expect(204);
    let _ = other_session.get("/users/me").await.expect(401);
    pulso.finish().await;
}
