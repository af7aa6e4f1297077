//! A fleet at a glance.

use pulso_testkit::{Options, Pulso, eventually};
use serde_json::{Value, json};

use crate::support::outages::broker_proxy;
use crate::support::time::seconds_from_now;

#[tokio::test]
async fn a_summary_counts_ones_own_devices_and_what_they_send() {
    let pulso = Pulso::start().await;
    let (_replica, elsewhere) = pulso.start_replica().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let nothing = json!({"devices": {"total": 0, "online": 0, "offline": 0}, "accepted_per_s": 0.0,
        "stored_per_s": 0.0, "queue_depth": 0});
    assert_eq!(user.get("/fleet/summary").await.expect(200).body, nothing);
    let (there, gone, _silent) = (user.new_device().await, user.new_device().await, user.new_device().await);
    let theirs = other.new_device().await;
    let _ = gone.client.post("/heartbeats", &json!({"timestamp": seconds_from_now(-600)})).await.expect(202);
    let _ = theirs.client.post("/readings", &json!([{"voltage": 1}, {"voltage": 2}])).await.expect(202);
    let burst: Value = (0..89).map(|n| json!({"timestamp": seconds_from_now(-n)})).collect();
    let _ = there.client.post("/heartbeats", &burst).await.expect(202);
    // What another replica accepts counts as well.
    let elsewhere = elsewhere.with_token(there.client.token().unwrap());
    let _ = elsewhere.post("/readings", &(0..30).map(|n| json!({"voltage": n})).collect::<Value>()).await.expect(202);
    let summary = eventually("a minute's readings are counted", async || {
        let summary = user.get("/fleet/summary").await.expect(200).body;
        (summary["accepted_per_s"] == 2.0 && summary["stored_per_s"] == 2.0).then_some(summary)
    })
    .await;
    assert_eq!(summary["devices"], json!({"total": 3, "online": 1, "offline": 2}));
    let theirs = other.get("/fleet/summary").await.expect(200).body;
    assert_eq!(theirs["devices"], json!({"total": 1, "online": 1, "offline": 0}));
    assert!((theirs["accepted_per_s"].as_f64().unwrap() - 2.0 / 60.0).abs() < 1e-9, "{theirs}");
    let _ = pulso.client.get("/fleet/summary").await.expect(401);
    let _ = there.client.get("/fleet/summary").await.expect(403);
    pulso.finish().await;
}

#[tokio::test]
async fn a_summary_shows_what_waits_and_without_the_broker_that_nobody_knows() {
    let (proxy, amqp_url) = broker_proxy().await;
    let options = Options { amqp_url: Some(amqp_url), without_worker: true, ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    // With the API's watermark probes, of which some wait there too.
    eventually("something waits", async || {
        (user.get("/fleet/summary").await.expect(200).body["queue_depth"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    proxy.cut();
    eventually("nobody knows", async || {
        user.get("/fleet/summary").await.expect(200).body["queue_depth"].is_null().then_some(())
    })
    .await;
    proxy.restore();
    eventually("the broker answers again", async || {
        (user.get("/fleet/summary").await.expect(200).body["queue_depth"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    pulso.restart_worker().await;
    pulso.stored(1).await;
    pulso.finish().await;
}
