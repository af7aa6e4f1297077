//! Nobody is called offline for what Pulso itself did not receive.

use std::time::Duration;

use pulso_testkit::{Client, Device, Options, Process, Pulso, eventually};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{changed, changes, detector_runs, device_with_timeout, heartbeat, offline, online, status};
use crate::support::outages::{broker_proxy, outage_lasting};

/// Longer than a loaded test machine lets a sender wait, or needs from its first heartbeat until it can be asked.
const TIMEOUT_S: i64 = 6;

/// A device's pace: several heartbeats within its timeout.
const SENDING_INTERVAL: Duration = Duration::from_millis(150);
/// How often a status that must not change is looked at.
const LOOKING_INTERVAL: Duration = Duration::from_millis(100);
/// An outage that every device's timeout lies within.
const OUTAGE: Duration = Duration::from_secs(8);

/// Heartbeats of one device, several a second, whatever the answer.
struct Sender(JoinHandle<()>);

impl Sender {
    fn start(client: Client) -> Self {
        Self(tokio::spawn(async move {
            let mut due = tokio::time::interval(SENDING_INTERVAL);
            loop {
                due.tick().await;
                let _ = client.try_send(client.request(Method::POST, "/heartbeats").json(&json!({}))).await;
            }
        }))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Looks for as long as an outage lasts, and expects all that time that the device counts as there.
async fn stays_online(user: &Client, device: &Device) {
    let looking = async {
        let mut due = tokio::time::interval(LOOKING_INTERVAL);
        loop {
            due.tick().await;
            assert_eq!(status(user, device).await, "online");
        }
    };
    tokio::select! { () = outage_lasting(OUTAGE) => (), () = looking => () }
}

/// After an outage: the one that went on sending was never called offline, the one that died meanwhile is, and every
/// route says so.
async fn only_the_dead_is_offline(user: &Client, alive: &Device, dead: &Device, reason: &str) {
    assert_eq!(changed(user, dead, 2).await, [online(), offline(reason)]);
    assert_eq!(changes(user, alive).await, [online()]);
    assert_eq!(status(user, alive).await, "online");
    assert_eq!(status(user, dead).await, "offline");
    for (status, device) in [("online", alive), ("offline", dead)] {
        let listed = user.get(&format!("/devices?status={status}")).await.expect(200).body;
        assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(device.id)), "{listed}");
        assert_eq!(listed[0]["status"], status);
    }
    let all = user.get("/health/all").await.expect(200).body;
    assert_eq!((&all[0]["status"], &all[1]["status"]), (&json!("online"), &json!("offline")), "{all}");
}

/// A device that sends on, and one that has just sent for the last time; both are known to be there.
async fn two_devices(pulso: &Pulso) -> (Client, Device, Sender, Device) {
    let user = pulso.client.new_user().await;
    let (alive, dead) = (device_with_timeout(&user, TIMEOUT_S).await, device_with_timeout(&user, TIMEOUT_S).await);
    detector_runs(pulso).await;
    let sender = Sender::start(alive.client.clone());
    let _ = changed(&user, &alive, 1).await;
    heartbeat(&dead).await;
    let _ = changed(&user, &dead, 1).await;
    heartbeat(&dead).await;
    (user, alive, sender, dead)
}

#[tokio::test]
async fn nobody_is_called_offline_because_the_api_was_down() {
    let mut pulso = Pulso::start().await;
    let (user, mut alive, sender, mut dead) = two_devices(&pulso).await;
    drop(sender);
    pulso.api.kill().await;
    outage_lasting(OUTAGE).await;
    pulso.restart_api().await;
    let again = |client: &Client| pulso.client.with_token(client.token().unwrap());
    let user = again(&user);
    (alive.client, dead.client) = (again(&alive.client), again(&dead.client));
    let _sender = Sender::start(alive.client.clone());
    only_the_dead_is_offline(&user, &alive, &dead, "silence_after_outage").await;
    let timeline = user.get(&format!("/devices/{}/timeline", alive.id)).await.expect(200).body;
    assert!(timeline["uptime"]["unknown_s"].as_f64().unwrap() >= OUTAGE.as_secs_f64(), "{timeline}");
}

#[tokio::test]
async fn nobody_is_called_offline_because_the_broker_was_down() {
    let (proxy, amqp_url) = broker_proxy().await;
    let api = vec![("PUBLISH_TIMEOUT_MS", "500".to_owned())];
    let pulso = Pulso::start_with(Options { api, amqp_url: Some(amqp_url), ..Options::default() }).await;
    let (user, alive, _sender, dead) = two_devices(&pulso).await;
    proxy.cut();
    stays_online(&user, &alive).await;
    proxy.restore();
    only_the_dead_is_offline(&user, &alive, &dead, "silence_after_outage").await;
}

#[tokio::test]
async fn nobody_is_called_offline_because_storage_is_behind() {
    let mut pulso = Pulso::start().await;
    let (user, alive, sender, dead) = two_devices(&pulso).await;
    pulso.worker.as_mut().unwrap().kill().await;
    stays_online(&user, &alive).await;
    pulso.restart_worker().await;
    // What was received meanwhile is all stored before anybody is judged by it: the outage is no reason then.
    only_the_dead_is_offline(&user, &alive, &dead, "silence").await;
    drop(sender);
    let one_each = "SELECT count(*) FROM device_status_changes";
    assert_eq!(pulso.database.count(one_each).await, 3, "a restart forgets nothing and repeats nothing");
}

#[tokio::test]
async fn when_the_worker_that_runs_the_offline_detector_is_killed_another_takes_over_and_no_change_is_written_twice() {
    let mut pulso = Pulso::start().await;
    let runs_it = async |worker: &Process| {
        eventually("runs the detector", async || worker.has_logged("offline detector leads").then_some(())).await;
    };
    runs_it(pulso.worker.as_ref().unwrap()).await;
    let second = pulso.start_another_worker().await;
    let (user, alive, _sender, dead) = two_devices(&pulso).await;
    assert!(!second.has_logged("offline detector leads"), "two run it");
    pulso.worker.as_mut().unwrap().kill().await;
    runs_it(&second).await;
    only_the_dead_is_offline(&user, &alive, &dead, "silence").await;
    heartbeat(&dead).await;
    let online_again = [online(), offline("silence"), online()];
    assert_eq!(changed(&user, &dead, 3).await, online_again);
    assert_eq!(pulso.database.count("SELECT count(*) FROM device_status_changes").await, 4);
}
