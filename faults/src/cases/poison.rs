//! What can never be stored becomes a dead letter with its reason; other rows of the message are stored; dead letters can
//! be replayed.

use pulso_simulator::load::HEARTBEATS;
use pulso_testkit::Failure;
use serde_json::{Value, json};

use super::under_load::{CaseResult, STEADY};
use crate::database;
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::testbed::Testbed;

const TYPE: &str = "pulso.telemetry.v2";

pub async fn unreadable(testbed: &Testbed) -> CaseResult {
    let deployment = Deployment::start(testbed, "poison/unreadable", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    tokio::time::sleep(STEADY).await;
    for _ in 0..3 {
        deployment.queues.publish(TYPE, b"not json").await?;
        deployment.queues.publish(TYPE, br#"[["r",0,[["x",0,null,null,null,null,null,null,null]],[]]]"#).await?;
        deployment.queues.publish("pulso.telemetry.v9", b"[]").await?;
    }
    tokio::time::sleep(STEADY).await;
    let mut outcome = deployment.settle_with_dead(load, 9).await?;
    let listing = deployment.queues.dead_letters().await?;
    let with = |reason: &str| listing.letters.iter().filter(|letter| letter.detail.contains(reason)).count();
    outcome.require(with("undecodable") == 6, "not every undecodable message says so");
    outcome.require(with("unknown message type pulso.telemetry.v9") == 3, "not every unknown version says so");
    // Replayed, they are dead-lettered again: nothing has changed.
    let printed = deployment.worker_command(&["dead-letters", "replay", "--all"]).await?;
    outcome.require(printed.trim() == "9 replayed", format!("the replay printed {printed:?}"));
    until_dead(&deployment, 9).await?;
    let printed = deployment.worker_command(&["dead-letters", "delete", "--all"]).await?;
    outcome.require(printed.trim() == "9 deleted", format!("the deletion printed {printed:?}"));
    outcome.require(deployment.queues.dead_letters().await?.total == 0, "deleted dead letters are still there");
    outcome.note("9 dead letters with their reasons, replayed, dead-lettered again, deleted");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn device_deleted(testbed: &Testbed) -> CaseResult {
    let mut deployment = Deployment::start(testbed, "poison/device-deleted", DeploymentPlan::default()).await?;
    let load = deployment.load()?;
    tokio::time::sleep(STEADY).await;
    deployment.end_workers(true).await?;
    let device = deployment.devices.last().ok_or("no device")?.id;
    let body =
        json!([{"timestamp": "2026-01-01T00:00:00Z", "cpu": 1}, {"timestamp": "2026-01-01T00:00:01Z", "cpu": 2}]);
    send(&deployment, &body).await?;
    let address = deployment.account.client.address(&format!("/api/v1/devices/{device}"));
    let token = deployment.account.token();
    deployment.account.client.response(|http| http.delete(&address).bearer_auth(token)).await?;
    deployment.run_workers(1).await?;
    tokio::time::sleep(STEADY).await;
    deployment.until_stored().await?;
    let mut outcome = deployment.settle(load).await?;
    let url = &testbed.servers.database_url;
    let count = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{}'", device.as_uuid());
    outcome.require(database::count(url, &count).await? == 0, "readings of the deleted device are rows");
    outcome.note("its 2 readings are dropped; the other devices' readings are rows");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn replay(testbed: &Testbed) -> CaseResult {
    let deployment = Deployment::start(testbed, "poison/replay", DeploymentPlan::default()).await?;
    let url = &testbed.servers.database_url;
    let rule = "ALTER TABLE heartbeats ADD CONSTRAINT no_424242 CHECK (latency <> 424242) NOT VALID";
    database::execute(url, rule).await?;
    let load = deployment.load()?;
    tokio::time::sleep(STEADY).await;
    let body: Vec<_> =
        (0..6).map(|n| json!({"timestamp": format!("2026-01-01T00:00:0{n}Z"), "latency": 424_242})).collect();
    send(&deployment, &json!(body)).await?;
    until_dead(&deployment, 6).await?;
    database::execute(url, "ALTER TABLE heartbeats DROP CONSTRAINT no_424242").await?;
    let by_route = replay_by_route(&deployment).await?;
    let by_command = deployment.worker_command(&["dead-letters", "replay", "--all"]).await?;
    tokio::time::sleep(STEADY).await;
    let mut outcome = deployment.settle(load).await?;
    outcome.require(by_route == 2, format!("the route replayed {by_route} instead of 2"));
    outcome.require(by_command.trim() == "4 replayed", format!("the command printed {by_command:?}"));
    deployment.until_stored().await?;
    let device = deployment.devices.last().ok_or("no device")?.id.as_uuid();
    let rows = database::count(url, &format!("SELECT count(*) FROM heartbeats WHERE device_id = '{device}'")).await?;
    outcome.require(rows == 6, format!("{rows} of the 6 refused rows are stored after the replay"));
    outcome.note("6 refused rows: 2 replayed by the route, 4 by the command, all stored once");
    deployment.stop(&mut outcome).await;
    Ok(outcome)
}

/// Replays the two oldest.
async fn replay_by_route(deployment: &Deployment<'_>) -> Result<u64, Failure> {
    let client = deployment.client().with_token(&deployment.administrator().await?);
    let oldest = client.try_get("/api/v1/admin/dead-letters?limit=2").await?.success()?.body;
    let letters = oldest.as_array().ok_or("no list of dead letters")?;
    let ids: Vec<_> = letters.iter().filter_map(|letter| letter.get("id")).collect();
    let replayed = client.try_post("/api/v1/admin/dead-letters/replay", &json!({"ids": ids})).await?.success()?;
    Ok(replayed.body.get("replayed").and_then(Value::as_u64).unwrap_or(0))
}

/// Sends as the device that is not in the ledger.
async fn send(deployment: &Deployment<'_>, body: &Value) -> Result<(), Failure> {
    deployment.device_client(0)?.try_post(HEARTBEATS, body).await?.success().map(drop)
}

async fn until_dead(deployment: &Deployment<'_>, count: u32) -> Result<(), Failure> {
    for _ in 0..300 {
        if deployment.queues.dead_letters().await?.total == count {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(format!("there are not {count} dead letters").into())
}
