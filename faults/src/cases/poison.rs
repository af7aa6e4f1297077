//! What can never be stored is a dead letter with its reason; its neighbours are rows; and it can be put back.

use serde_json::{Value, json};

use super::worker::until_stored;
use super::{CALM, Ending};
use crate::site::Site;
use crate::stack::{Plan, Stack};
use crate::{Failure, database};

const TYPE: &str = "pulso.telemetry.v2";

pub async fn unreadable(site: &Site) -> Ending {
    let stack = Stack::start(site, "poison/unreadable", Plan::default()).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM).await;
    for _ in 0..3 {
        stack.queues.publish(TYPE, b"not json").await?;
        stack.queues.publish(TYPE, br#"[["r",0,[["x",0,null,null,null,null,null,null,null]],[]]]"#).await?;
        stack.queues.publish("pulso.telemetry.v9", b"[]").await?;
    }
    tokio::time::sleep(CALM).await;
    let mut outcome = stack.settle_with_dead(load, 9).await?;
    let listing = stack.queues.dead_letters().await?;
    let with = |reason: &str| listing.letters.iter().filter(|letter| letter.detail.contains(reason)).count();
    outcome.require(with("undecodable") == 6, "not every undecodable message says so");
    outcome.require(with("unknown message type pulso.telemetry.v9") == 3, "not every unknown version says so");
    // Put back they come here again: nothing has changed.
    let said = stack.worker_command(&["dead-letters", "replay", "--all"]).await?;
    outcome.require(said.trim() == "9 replayed", format!("the replay said {said:?}"));
    until_dead(&stack, 9).await?;
    let said = stack.worker_command(&["dead-letters", "delete", "--all"]).await?;
    outcome.require(said.trim() == "9 deleted", format!("the deletion said {said:?}"));
    outcome.require(stack.queues.dead_letters().await?.total == 0, "deleted dead letters are still there");
    outcome.note("9 dead letters with their reasons, replayed, back again, deleted");
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn device_deleted(site: &Site) -> Ending {
    let mut stack = Stack::start(site, "poison/device-deleted", Plan::default()).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM).await;
    stack.end_workers(true).await?;
    let device = stack.devices.last().ok_or("no device")?.id;
    let body =
        json!([{"timestamp": "2026-01-01T00:00:00Z", "cpu": 1}, {"timestamp": "2026-01-01T00:00:01Z", "cpu": 2}]);
    send(&stack, &body).await?;
    let address = stack.account.client.address(&format!("/api/v1/devices/{device}"));
    let token = stack.account.token();
    stack.account.client.answer(|http| http.delete(&address).bearer_auth(token)).await?;
    stack.run_workers(1).await?;
    tokio::time::sleep(CALM).await;
    until_stored(&stack).await?;
    let mut outcome = stack.settle_with_dead(load, 1).await?;
    let listing = stack.queues.dead_letters().await?;
    let right = listing.letters.iter().all(|letter| letter.reason == "device_gone");
    outcome.require(right, "the dead letter does not say that the device is gone");
    outcome.note("its 2 readings are one dead letter; the other devices' readings are rows");
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn replay(site: &Site) -> Ending {
    let stack = Stack::start(site, "poison/replay", Plan::default()).await?;
    let url = &site.services.database_url;
    let rule = "ALTER TABLE heartbeats ADD CONSTRAINT no_424242 CHECK (latency <> 424242) NOT VALID";
    database::execute(url, rule).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM).await;
    let body: Vec<_> =
        (0..6).map(|n| json!({"timestamp": format!("2026-01-01T00:00:0{n}Z"), "latency": 424_242})).collect();
    send(&stack, &json!(body)).await?;
    until_dead(&stack, 6).await?;
    database::execute(url, "ALTER TABLE heartbeats DROP CONSTRAINT no_424242").await?;
    let by_route = replay_by_route(&stack).await?;
    let by_command = stack.worker_command(&["dead-letters", "replay", "--all"]).await?;
    tokio::time::sleep(CALM).await;
    let mut outcome = stack.settle(load).await?;
    outcome.require(by_route == 2, format!("the route put {by_route} back instead of 2"));
    outcome.require(by_command.trim() == "4 replayed", format!("the command said {by_command:?}"));
    until_stored(&stack).await?;
    let device = stack.devices.last().ok_or("no device")?.id.as_uuid();
    let rows = database::count(url, &format!("SELECT count(*) FROM heartbeats WHERE device_id = '{device}'")).await?;
    outcome.require(rows == 6, format!("{rows} of the 6 refused rows are stored after the replay"));
    outcome.note("6 refused rows: 2 put back by the route, 4 by the command, all stored once");
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

/// Puts the two oldest back.
async fn replay_by_route(stack: &Stack<'_>) -> Result<u64, Failure> {
    let token = stack.administrator().await?;
    let address = |route: &str| format!("{}/api/v1/admin/dead-letters{route}", stack.url());
    let client = reqwest::Client::new();
    let oldest = client.get(address("?limit=2")).bearer_auth(&token).send().await?.error_for_status()?;
    let letters: Vec<Value> = oldest.json().await?;
    let ids: Vec<_> = letters.iter().filter_map(|letter| letter.get("id")).collect();
    let replayed = client.post(address("/replay")).bearer_auth(&token).json(&json!({"ids": ids})).send().await?;
    let answer: Value = replayed.error_for_status()?.json().await?;
    Ok(answer.get("replayed").and_then(Value::as_u64).unwrap_or(0))
}

/// Sends as the device that is not in the ledger.
async fn send(stack: &Stack<'_>, body: &Value) -> Result<(), Failure> {
    let token = stack.tokens.last().ok_or("no device")?;
    let request = reqwest::Client::new().post(format!("{}/api/v1/heartbeats", stack.url())).bearer_auth(token);
    request.json(body).send().await?.error_for_status()?;
    Ok(())
}

async fn until_dead(stack: &Stack<'_>, count: u32) -> Result<(), Failure> {
    for _ in 0..300 {
        if stack.queues.dead_letters().await?.total == count {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(format!("there are not {count} dead letters").into())
}
