//! What administrators see of the pipeline.

use pulso_testkit::eventually;
use serde_json::json;

use crate::support::accounts::start_with_administrator;

#[tokio::test]
async fn the_pipeline_shows_what_waits_and_how_far_storage_is_behind() {
    let (mut pulso, administrator) = start_with_administrator().await;
    let device = pulso.client.new_user().await.new_device().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    let look = async || administrator.get("/admin/pipeline").await.expect(200).body;
    let quiet = eventually("nothing waits", async || Some(look().await).filter(|seen| seen["lag_s"] == 0.0)).await;
    assert_eq!(quiet["store_queue"], json!({"messages": 0, "consumers": 1}));
    assert_eq!(quiet["dead_letters"], json!({"messages": 0, "consumers": 0}));
    assert!(quiet["newest_stored_age_s"].as_f64().unwrap() < 60.0, "{quiet}");

    pulso.worker.as_mut().unwrap().kill().await;
    let _ = device.client.post("/heartbeats", &json!({"cpu": 2})).await.expect(202);
    // With the API's watermark probes, of which some wait there too.
    let behind = eventually("something waits, and nobody takes it", async || {
        let seen = look().await;
        let waits = seen["store_queue"]["messages"].as_u64() >= Some(1);
        (waits && seen["store_queue"]["consumers"] == 0).then_some(seen)
    });
    assert!(behind.await["lag_s"].as_f64().unwrap() > 0.0);
    pulso.restart_worker().await;
    pulso.stored(2).await;
    let rates =
        eventually("the rates", async || Some(look().await).filter(|seen| seen["accepted_per_s"].is_f64())).await;
    assert!(rates["stored_per_s"].is_f64() && rates["measured_s"].as_f64().unwrap() >= 1.0, "{rates}");
    pulso.finish().await;
}
