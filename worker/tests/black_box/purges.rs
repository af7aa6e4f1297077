//! What deleted accounts and devices leave is deleted by the workers.

use pulso_testkit::{Client, Pulso, eventually};
use serde_json::json;

/// SQL that gives the newest account so many devices, each with an hour of heartbeats, an old reading and a status.
fn devices(count: u32) -> String {
    format!(
        "WITH owner AS (SELECT id FROM users ORDER BY id DESC LIMIT 1)
         INSERT INTO devices (id, owner_id, name, ingest_auth, offline_after_s, created_at, updated_at)
         SELECT gen_random_uuid(), owner.id, 'device', 'token', 180, now(), now() FROM owner, generate_series(1, {count});
         INSERT INTO device_state (device_id) SELECT id FROM devices ON CONFLICT DO NOTHING;
         INSERT INTO heartbeats (device_id, ts, received_at)
         SELECT id, now() - n * interval '1 minute', now() FROM devices, generate_series(1, 10) AS n;
         INSERT INTO readings (device_id, ts, received_at) SELECT id, now() - interval '400 days', now() FROM devices;
         INSERT INTO device_status_changes (device_id, at, status, decided_at, reason)
         SELECT id, now() - n * interval '1 minute', 'offline', now(), 'silence' FROM devices, generate_series(1, 3) AS n;
         INSERT INTO tasks (id, owner_id, title, title_folded, status, created_at, updated_at)
         SELECT gen_random_uuid(), owner_id, 'task', 'task', 'pending', now(), now() FROM devices"
    )
}

const LEFT: &str = "SELECT (SELECT count(*) FROM devices WHERE owner_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM tasks WHERE owner_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM heartbeats WHERE device_id NOT IN (SELECT id FROM devices))
    + (SELECT count(*) FROM readings WHERE device_id NOT IN (SELECT id FROM devices))
    + (SELECT count(*) FROM device_status_changes WHERE device_id NOT IN (SELECT id FROM devices))
    + (SELECT count(*) FROM account_purges) + (SELECT count(*) FROM device_purges)";

#[tokio::test]
async fn a_large_account_is_deleted_in_the_background_and_its_neighbours_devices_stay() {
    let mut pulso = Pulso::start().await;
    let neighbour = pulso.client.new_user().await.new_device().await;
    let _ = neighbour.client.post("/heartbeats?ack=stored", &json!({"cpu": 1})).await.expect(200);
    let user = pulso.client.new_user().await;
    pulso.database.execute(&devices(1_200)).await;
    let _ = user.delete_own_account().await.expect(204);
    eventually("nothing is left", async || (pulso.database.count(LEFT).await == 0).then_some(())).await;
    assert_eq!(pulso.database.count("SELECT count(*) FROM devices").await, 1);
    let latest = neighbour.client.get(&format!("/devices/{}/latest", neighbour.id)).await.expect(200);
    assert_eq!(latest.body["heartbeat"]["cpu_usage"], 1.0);
    // Devices whose tokens do not say whose they are, because an earlier version issued them.
    assert_eq!(pulso.database.count("SELECT count(*) FROM revocations").await, 1_202);

    let worker = pulso.worker.as_mut().unwrap();
    let address = worker.logged("health and metrics", "address").await;
    let metrics = Client::new(format!("http://{address}"));
    eventually("the metrics say so", async || {
        let text = metrics.get("/metrics").await.expect(200).text;
        let pending = text.contains("pulso_purges_pending{kind=\"account\"} 0")
            && text.contains("pulso_purges_pending{kind=\"device\"} 0");
        (pending && text.contains("pulso_purged_devices_total 1200")).then_some(())
    })
    .await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_killed_worker_leaves_its_purge_to_the_next_one() {
    let mut pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    pulso.database.execute(&devices(600)).await;
    let _ = user.delete_own_account().await.expect(204);
    pulso.worker.as_mut().unwrap().kill().await;
    pulso.restart_worker().await;
    eventually("nothing is left", async || (pulso.database.count(LEFT).await == 0).then_some(())).await;
    pulso.finish().await;
}
