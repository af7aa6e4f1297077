//! Rate limits: shared by replicas while Redis is up, each replica's own while it is not.

use pulso_testkit::eventually;
use reqwest::Method;
use serde_json::json;

use crate::support::accounts::{PASSWORD, register};
use crate::support::outages::redis_proxy;
use crate::support::rate_limits::{get_from, is_refused_by, login_from, start, start_with};

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
    let (proxy, redis_url) = redis_proxy().await;
    let limits = [("ADDRESS_MAX_PER_MINUTE", 3), ("LOGIN_MAX_PER_QUARTER_HOUR", 3)];
    let pulso = start_with(&limits, Some(redis_url)).await;
    let (_process, replica) = pulso.start_replica().await;
    let request = pulso.client.request(Method::POST, "/auth/register").header("X-Forwarded-For", "192.0.2.1");
    let account = json!({"username": "ana", "password": PASSWORD});
    let _ = pulso.client.send(request.json(&account)).await.expect(201);
    proxy.cut();
    eventually("Redis is down", async || (pulso.client.get("/readyz").await.body["cache"] == "down").then_some(()))
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
