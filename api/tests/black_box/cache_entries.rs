//! A small cache for users' programs, each with a key space of their own.

use pulso_testkit::{Client, Options, Pulso, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::outages::redis_proxy;
use crate::support::start_api;

#[tokio::test]
async fn a_value_is_kept_found_replaced_and_forgotten_by_its_user_alone() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let values = [json!(null), json!(0.1), json!("ã\u{0}\n"), json!([1, {"a": []}]), json!({"b": {"c": false}})];
    for (key, value) in ["a", "with/slash and %", "ключ", "?q=1#f", ".../"].iter().zip(values) {
        let made = user.post("/cache/set", &json!({"key": key, "value": value, "ttl_s": 60})).await.expect(201);
        assert_eq!(made.body, json!({"key": key, "value": value, "ttl_s": 60}));
        let path = format!("/api/v1/cache/get/{}", encoded(key));
        let found = user.get(&path).await.expect(200).body;
        assert_eq!((&found["key"], &found["value"]), (&json!(key), &value));
        assert!((1..=60).contains(&found["ttl_s"].as_u64().unwrap()), "{found}");
        let _ = other.get(&path).await.expect(404);
        let _ = other.delete(&format!("/cache/{}", encoded(key))).await.expect(404);
    }
    let _ = user.post("/cache/set", &json!({"key": "a", "value": 2})).await.expect(201);
    assert_eq!(user.get("/cache/get/a").await.expect(200).body, json!({"key": "a", "value": 2, "ttl_s": 86_400}));
    let _ = user.delete("/cache/a").await.expect(204);
    let _ = user.delete("/cache/a").await.expect(404);
    let _ = user.get("/cache/get/a").await.expect(404);

    let _ = user.post("/cache/set", &json!({"key": "short", "value": 1, "ttl_s": 1})).await.expect(201);
    eventually("it has come to its end", async || (user.get("/cache/get/short").await.status == 404).then_some(()))
        .await;
    let _ = user.delete_own_account().await.expect(204);
    pulso.finish().await;
}

/// Every byte of it escaped, as a path may have it.
fn encoded(key: &str) -> String {
    key.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn limits_of_keys_values_and_lives_are_told_all_at_once_and_who_may_not_is_refused() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let wrong = json!({"key": "k".repeat(257), "value": "x".repeat(65_535), "ttl_s": 86_401});
    let faults = user.post("/cache/set", &wrong).await.expect(422).faults();
    let expected = [("/key", "invalid"), ("/ttl_s", "invalid"), ("/value", "too_large")];
    assert_eq!(faults, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    let longest = json!({"key": "k".repeat(256), "value": "x".repeat(65_534), "ttl_s": 86_400});
    let _ = user.post("/cache/set", &longest).await.expect(201);
    // A URL cannot say these two.
    for key in [".", ".."] {
        let _ = user.post("/cache/set", &json!({"key": key, "value": 1})).await.expect(422);
    }
    for (body, status) in [("{}", 422), ("[]", 400), ("{", 400), (r#"{"key": "", "value": 1}"#, 422)] {
        let _ = user.post_raw("/cache/set", body).await.expect(status);
    }
    let _ = user.get(&format!("/cache/get/{}", "k".repeat(257))).await.expect(404);
    let body = json!({"key": "a", "value": 1});
    let _ = pulso.client.post("/cache/set", &body).await.expect(401);
    let _ = device.client.post("/cache/set", &body).await.expect(403);
    let _ = pulso.client.get("/cache/get/a").await.expect(401);
    let _ = user.get("/cache/a").await.expect(405);
    pulso.finish().await;
}

/// As a client does it: a 503 (Redis had no answer in time, on a busy machine) is tried again.
async fn set_patiently(user: &Client, body: &Value) -> u16 {
    for _ in 0..100 {
        let status = user.post("/cache/set", body).await.status;
        if status != 503 {
            return status;
        }
    }
    503
}

#[tokio::test]
async fn many_who_write_at_once_do_not_pass_a_thousand_keys_of_one_user() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let set = |n: usize, ttl_s: u32| json!({"key": format!("key {n}"), "value": n, "ttl_s": ttl_s});
    let mut writing = JoinSet::new();
    for writer in 0..16 {
        let user = user.clone();
        let bodies: Vec<Value> = (0..1_020).skip(writer).step_by(16).map(|n| set(n, 600)).collect();
        writing.spawn(async move {
            let mut statuses = Vec::new();
            for body in bodies {
                statuses.push(set_patiently(&user, &body).await);
            }
            statuses
        });
    }
    let statuses: Vec<u16> = writing.join_all().await.into_iter().flatten().collect();
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(201), count(409)), (1_000, 20));

    // A key that is there may be written; a place that became free may be taken; others have places of their own.
    let _ = other.post("/cache/set", &set(0, 600)).await.expect(201);
    let mut there = None;
    for n in 0..1_020 {
        if user.get(&format!("/cache/get/key%20{n}")).await.status == 200 {
            there = Some(n);
            break;
        }
    }
    let there = there.unwrap();
    let _ = user.post("/cache/set", &set(there, 1)).await.expect(201);
    eventually("its place is free", async || {
        (user.post("/cache/set", &json!({"key": "one more", "value": 1})).await.status == 201).then_some(())
    })
    .await;
    let _ = user.post("/cache/set", &json!({"key": "and another", "value": 1})).await.expect(409);
    pulso.finish().await;
}

#[tokio::test]
async fn without_redis_the_cache_says_so_and_when_to_come_back() {
    let (proxy, redis_url) = redis_proxy().await;
    let options = Options { redis_url: Some(redis_url), ..Options::default() };
    let pulso = Pulso::start_with(options).await;
    let user = pulso.client.new_user().await;
    let body = json!({"key": "a", "value": 1});
    let _ = user.post("/cache/set", &body).await.expect(201);
    proxy.cut();
    for answer in [user.post("/cache/set", &body).await, user.get("/cache/get/a").await, user.delete("/cache/a").await]
    {
        let answer = answer.expect(503);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text.to_lowercase().contains("redis"), "{}", answer.text);
    }
    proxy.restore();
    eventually("it is back", async || (user.get("/cache/get/a").await.status == 200).then_some(())).await;
    pulso.finish().await;
}

/// A value that is charged 2,403 bytes under a key of one byte: itself with its quotes, the key and 400 bytes.
fn large_entry(key: &str) -> Value {
    json!({"key": key, "value": "x".repeat(2_000), "ttl_s": 600})
}

#[tokio::test]
async fn a_users_cache_entries_take_no_more_bytes_than_their_budget() {
    let pulso = start_api(vec![("CACHE_USER_MAX_BYTES", "10000".to_owned())]).await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let mut writing = JoinSet::new();
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let user = user.clone();
        writing.spawn(async move { (key, set_patiently(&user, &large_entry(key)).await) });
    }
    let answers = writing.join_all().await;
    let with = |status: u16| answers.iter().filter(move |(_, seen)| *seen == status).map(|(key, _)| *key);
    assert_eq!((with(201).count(), with(507).count()), (4, 4), "{answers:?}");
    let (there, refused) = (with(201).next().unwrap(), with(507).next().unwrap());

    let full = user.post("/cache/set", &large_entry(refused)).await.expect(507);
    assert_eq!(full.body["type"], "/problems/insufficient-storage");
    let metrics = pulso.client.get("/metrics").await.text;
    assert!(metrics.contains("pulso_cache_refused_total{limit=\"account\"}"), "{metrics}");
    // What is there stays, may be written again, and can be read; the neighbour has a budget of their own.
    let _ = user.post("/cache/set", &large_entry(there)).await.expect(201);
    let _ = user.get(&format!("/cache/get/{there}")).await.expect(200);
    let larger = json!({"key": there, "value": "x".repeat(2_400)});
    let _ = user.post("/cache/set", &larger).await.expect(507);
    assert_eq!(user.get(&format!("/cache/get/{there}")).await.expect(200).body["value"], "x".repeat(2_000));
    let _ = other.post("/cache/set", &large_entry("a")).await.expect(201);

    // A smaller value, a deletion and an end make room, each exactly once.
    let _ = user.delete(&format!("/cache/{there}")).await.expect(204);
    let _ = user.delete(&format!("/cache/{there}")).await.expect(404);
    let _ = user.post("/cache/set", &large_entry(there)).await.expect(201);
    let _ = user.post("/cache/set", &large_entry(refused)).await.expect(507);
    let _ = user.post("/cache/set", &json!({"key": there, "value": 1, "ttl_s": 1})).await.expect(201);
    eventually("its bytes are free", async || {
        (user.post("/cache/set", &large_entry(refused)).await.status == 201).then_some(())
    })
    .await;
    let _ = user.post("/cache/set", &large_entry("one more")).await.expect(507);
    pulso.finish().await;
}

#[tokio::test]
async fn all_users_together_take_no_more_bytes_than_the_cache_may() {
    let pulso = start_api(vec![("CACHE_MAX_BYTES", "10000".to_owned())]).await;
    let (first, second, late) =
        (pulso.client.new_user().await, pulso.client.new_user().await, pulso.client.new_user().await);
    for (user, key) in [(&first, "a"), (&first, "b"), (&second, "a")] {
        let _ = user.post("/cache/set", &large_entry(key)).await.expect(201);
    }
    let short = json!({"key": "c", "value": "x".repeat(2_000), "ttl_s": 1});
    let _ = second.post("/cache/set", &short).await.expect(201);
    // Nobody touches it again, yet its bytes come back when it ends.
    eventually("another user's entry has ended", async || {
        (late.post("/cache/set", &large_entry("a")).await.status == 201).then_some(())
    })
    .await;
    let _ = late.post("/cache/set", &large_entry("b")).await.expect(507);
    let _ = first.post("/cache/set", &large_entry("a")).await.expect(201);
    assert!(pulso.client.get("/metrics").await.text.contains("pulso_cache_refused_total{limit=\"all\"}"));
    // A deleted account gives back what it had, once.
    let _ = first.delete_own_account().await.expect(204);
    for (key, status) in [("b", 201), ("c", 201), ("d", 507)] {
        let _ = late.post("/cache/set", &large_entry(key)).await.expect(status);
    }
    pulso.finish().await;
}
