//! Limits: shared by replicas while Redis is there, each replica's own while it is not, and never a way to lock
//! somebody else out.

use std::time::{Duration, Instant};

use pulso_testkit::{Answer, Client, Options, Proxy, Pulso, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";

/// Behind a proxy that the API trusts, so that a test can come from any address.
async fn start(limits: &[(&'static str, u32)]) -> Pulso {
    start_with(limits, None).await
}

async fn start_with(limits: &[(&'static str, u32)], redis_url: Option<String>) -> Pulso {
    let mut api: Vec<_> = limits.iter().map(|(name, value)| (*name, value.to_string())).collect();
    api.push(("TRUSTED_PROXIES", "127.0.0.1, ::1".to_owned()));
    Pulso::start_with(Options { api, redis_url, without_worker: true, ..Options::default() }).await
}

async fn get_from(client: &Client, address: &str, path: &str) -> Answer {
    client.get_with(path, "X-Forwarded-For", address).await
}

async fn login_from(client: &Client, address: &str, username: &str, password: &str) -> Answer {
    let request = client.request(Method::POST, "/auth/login").header("X-Forwarded-For", address);
    client.send(request.json(&json!({"username": username, "password": password}))).await
}

async fn register(client: &Client, username: &str) {
    let _ = client.post("/register", &json!({"username": username, "password": PASSWORD})).await.expect(201);
}

/// That an answer is a 429 of that limit, told in every way there is.
fn is_refused_by(answer: &Answer, limit: &str) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!((&answer.body["limit"], &answer.body["title"]), (&json!(limit), &json!("Too many requests")));
    assert!(answer.body["detail"].as_str().unwrap().contains(limit));
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after >= 1);
    let all = |name: &str| {
        let values = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join(", ")
    };
    assert!(all("ratelimit").contains(&format!("\"{limit}\";r=0;t={retry_after}")), "{}", all("ratelimit"));
    assert!(all("ratelimit-policy").contains(&format!("\"{limit}\";q=")), "{}", all("ratelimit-policy"));
}

#[tokio::test]
async fn an_address_has_its_share_on_all_replicas_together_and_no_other_pays_for_it() {
    let pulso = start(&[("ADDRESS_MAX_PER_MINUTE", 4)]).await;
    let (_process, replica) = pulso.start_replica().await;
    let (one, other) = (&pulso.client, &replica);
    let first = get_from(one, "198.51.100.1", "/devices").await.expect(401);
    assert_eq!(first.header("ratelimit-policy"), Some("\"address\";q=4;w=60"));
    assert!(first.header("ratelimit").unwrap().starts_with("\"address\";r=3;t="), "{:?}", first.headers);
    let _ = get_from(other, "198.51.100.1", "/nowhere").await.expect(404);
    let _ = get_from(other, "203.0.113.9, 198.51.100.1", "/docs").await.expect(200);
    let last = get_from(one, "198.51.100.1", "/devices").await.expect(401);
    assert!(last.header("ratelimit").unwrap().starts_with("\"address\";r=0;t="));
    for client in [one, other] {
        is_refused_by(&get_from(client, "198.51.100.1", "/devices").await, "address");
    }

    let _ = get_from(one, "198.51.100.2", "/devices").await.expect(401);
    let _ = get_from(one, "2001:db8::1", "/devices").await.expect(401);
    // Probes and scrapers are not counted; nor is what devices send, which has limits of its own.
    for _ in 0..6 {
        for path in ["/livez", "/readyz", "/metrics"] {
            let probed = get_from(one, "198.51.100.1", path).await.expect(200);
            assert_eq!(probed.header("ratelimit"), None);
        }
        let request = one.request(Method::POST, "/heartbeats").header("X-Forwarded-For", "198.51.100.1");
        let _ = one.send(request.json(&json!({"cpu": 1}))).await.expect(401);
    }
    pulso.finish().await;
}

#[tokio::test]
async fn a_user_has_their_share_wherever_they_come_from() {
    let pulso = start(&[("USER_MAX_PER_MINUTE", 3), ("ADDRESS_MAX_PER_MINUTE", 0)]).await;
    register(&pulso.client, "ana").await;
    register(&pulso.client, "bob").await;
    let sign_in = async |name: &str| pulso.client.signed_in(&json!({"username": name, "password": PASSWORD})).await;
    let (ana, ana_too, bob) = (sign_in("ana").await, sign_in("ana").await, sign_in("bob").await);
    for (number, client) in [&ana, &ana_too, &ana].into_iter().enumerate() {
        let answer = get_from(client, &format!("198.51.100.{number}"), "/users/me").await.expect(200);
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"user\";r={};t=", 2 - number)));
    }
    is_refused_by(&get_from(&ana_too, "198.51.100.9", "/tasks").await, "user");
    let _ = bob.get("/users/me").await.expect(200);
    // Who is not signed in has no such limit, nor does a made-up token use up somebody's share.
    let anonymous = pulso.client.get("/users/me").await.expect(401);
    assert_eq!(anonymous.header("ratelimit"), None);
    pulso.finish().await;
}

#[tokio::test]
async fn without_redis_each_replica_counts_for_itself_and_nothing_fails() {
    let redis_url = std::env::var("TEST_REDIS_URL").expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&redis_url)).await;
    let limits = [("ADDRESS_MAX_PER_MINUTE", 3), ("LOGIN_MAX_PER_QUARTER_HOUR", 3)];
    let pulso = start_with(&limits, Some(proxy.through(&redis_url))).await;
    let (_process, replica) = pulso.start_replica().await;
    let request = pulso.client.request(Method::POST, "/register").header("X-Forwarded-For", "192.0.2.1");
    let account = json!({"username": "ana", "password": PASSWORD});
    let _ = pulso.client.send(request.json(&account)).await.expect(201);
    proxy.cut();
    eventually("Redis is away", async || (pulso.client.get("/readyz").await.body["cache"] == "down").then_some(()))
        .await;
    for client in [&pulso.client, &replica] {
        for left in [2, 1, 0] {
            let answer = get_from(client, "198.51.100.1", "/docs").await.expect(200);
            assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"address\";r={left};t=")));
        }
        is_refused_by(&get_from(client, "198.51.100.1", "/docs").await, "address");
    }
    for number in 0..3 {
        let _ = login_from(&pulso.client, "198.51.100.2", "ana", "wrong horse").await.expect(401);
        assert!(number < 3);
    }
    is_refused_by(&login_from(&pulso.client, "198.51.100.2", "ana", PASSWORD).await, "address");
    let _ = login_from(&pulso.client, "198.51.100.3", "ana", PASSWORD).await.expect(200);

    // Back together.
    proxy.restore();
    eventually("shared again", async || {
        let address = "198.51.100.77";
        let _ = get_from(&pulso.client, address, "/docs").await;
        let answer = get_from(&replica, address, "/docs").await;
        let left = answer.header("ratelimit").unwrap_or_default().to_owned();
        (answer.status == 429 || left.starts_with("\"address\";r=1;")).then_some(())
    })
    .await;
    pulso.finish().await;
}

#[tokio::test]
async fn guessing_is_stopped_before_bcrypt_and_locks_nobody_out() {
    let pulso = start(&[("LOGIN_MAX_PER_QUARTER_HOUR", 3), ("LOGIN_STRANGERS_MAX_PER_HOUR", 8)]).await;
    let client = &pulso.client;
    register(client, "ana").await;
    let (home, cafe) = ("198.51.100.1", "198.51.100.2");
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);

    // A stranger at one address: stopped there, the right password too; not the owner elsewhere.
    for _ in 0..3 {
        let _ = login_from(client, "203.0.113.1", "ana", "wrong horse").await.expect(401);
    }
    let stopped = login_from(client, "203.0.113.1", "ANA", PASSWORD).await;
    is_refused_by(&stopped, "login-account");
    let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    let _ = login_from(client, cafe, "ana", PASSWORD).await.expect(200);

    // Strangers from everywhere: slowed together; the owner is let in wherever they have been before.
    let mut number = 10;
    let slowed = loop {
        let answer = login_from(client, &format!("203.0.113.{number}"), "ana", "wrong horse").await;
        if answer.status == 429 {
            break answer;
        }
        number += 1;
        assert!(number < 30, "nobody is stopped");
    };
    is_refused_by(&slowed, "login-strangers");
    is_refused_by(&login_from(client, "203.0.113.99", "ana", PASSWORD).await, "login-strangers");
    for address in [home, cafe] {
        let _ = login_from(client, address, "ana", PASSWORD).await.expect(200);
    }

    // Mistyping costs the owner nothing once the password is right.
    for _ in 0..3 {
        for _ in 0..2 {
            let _ = login_from(client, home, "ana", "wrong horse").await.expect(401);
        }
        let _ = login_from(client, home, "ana", PASSWORD).await.expect(200);
    }

    // A name that nobody has is limited in the same words.
    for _ in 0..3 {
        let _ = login_from(client, "203.0.113.1", "nobody", "wrong horse").await.expect(401);
    }
    let nobody = login_from(client, "203.0.113.1", "Nobody", "wrong horse").await;
    assert_eq!(nobody.problem(), stopped.problem());
    pulso.finish().await;
}

#[tokio::test]
async fn an_address_signs_in_and_registers_only_so_often() {
    let pulso = start(&[("LOGIN_ADDRESS_MAX_PER_MINUTE", 3)]).await;
    let client = &pulso.client;
    for number in 0..3 {
        let _ = login_from(client, "198.51.100.1", &format!("name{number}"), "wrong horse").await.expect(401);
    }
    is_refused_by(&login_from(client, "198.51.100.1", "name9", "wrong horse").await, "login-address");
    let account = json!({"username": "eve", "password": PASSWORD});
    for path in ["/auth/register", "/register"] {
        let request = client.request(Method::POST, path).header("X-Forwarded-For", "198.51.100.1");
        is_refused_by(&client.send(request.json(&account)).await, "login-address");
    }
    let elsewhere = login_from(client, "198.51.100.2", "name9", "wrong horse").await.expect(401);
    let told: Vec<_> = elsewhere.headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap()).collect();
    for limit in ["\"address\";r=", "\"login-address\";r=2;", "\"login-account\";r=19;"] {
        assert!(told.iter().any(|told| told.starts_with(limit)), "{limit} in {told:?}");
    }
    // It would tell a neighbour whether an account has been signed in to from here.
    assert!(!told.iter().any(|told| told.contains("strangers")), "{told:?}");
    pulso.finish().await;
}

#[tokio::test]
async fn an_open_browser_is_no_place_to_guess_the_present_password() {
    let pulso = start(&[("LOGIN_MAX_PER_QUARTER_HOUR", 2)]).await;
    let ana = pulso.client.new_user().await;
    let change = |old: &str| json!({"password": "another horse", "old_password": old});
    for _ in 0..2 {
        let _ = ana.patch("/users/me", &change("wrong horse")).await.expect(422);
    }
    is_refused_by(&ana.patch("/users/me", &change(PASSWORD)).await, "own-password");
    let _ = ana.patch("/users/me", &json!({"full_name": "Ana"})).await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn a_devices_limit_is_told_like_any_other() {
    let pulso = start_with(&[("INGEST_MAX_HZ", 2)], None).await;
    let device = pulso.client.new_user().await.new_device().await;
    let mut refused: Option<Answer> = None;
    for _ in 0..50 {
        let answer = device.client.post("/heartbeats", &json!({"cpu": 1})).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a device that hurries is stopped");
    is_refused_by(&refused, "device-live");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"device-live\";q=2;w=1"));
    assert_eq!(refused.body["errors"], Value::Null);
    drop(pulso);
}

/// How many heartbeats of a device both replicas take together while it sends to both as fast as they answer.
async fn taken_within(clients: [&Client; 2], time: Duration) -> u32 {
    let end = Instant::now() + time;
    let hurry = async |client: &Client| {
        let mut taken = 0;
        while Instant::now() < end {
            taken += u32::from(client.post("/heartbeats", &json!({"cpu": 1})).await.status == 202);
        }
        taken
    };
    let (one, other) = tokio::join!(hurry(clients[0]), hurry(clients[1]));
    one + other
}

#[tokio::test]
async fn a_device_that_sends_to_two_replicas_has_its_limit_once() {
    let api = vec![("INGEST_MAX_HZ", "20".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let (_process, replica) = pulso.start_replica().await;
    let device = pulso.client.new_user().await.new_device().await;
    let there = replica.with_token(device.client.token().unwrap());
    let mut seen = Vec::new();
    // Each for itself they would take 40 a second, always; together 20, after a moment.
    for _ in 0..8 {
        seen.push(taken_within([&device.client, &there], Duration::from_secs(3)).await);
        if seen.last().is_some_and(|taken| (30..=95).contains(taken)) {
            break;
        }
    }
    assert!(seen.last().is_some_and(|taken| (30..=95).contains(taken)), "in 3 s each: {seen:?}");
    pulso.finish().await;
}
