//! Who has gone and who is back, and that nobody is blamed for what Pulso itself did not hear.

use std::time::Duration;

use chrono::DateTime;
use pulso_testkit::{Client, Device, Options, Process, Proxy, Pulso, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Longer than a loaded test machine lets a sender wait, or needs from a first beat until it can be spoken to.
const TIMEOUT_S: i64 = 6;
/// An outage that every device's timeout lies within.
const OUTAGE: Duration = Duration::from_secs(8);

/// Heartbeats of one device, several a second, whatever the answer.
struct Sender(JoinHandle<()>);

impl Sender {
    fn start(client: Client) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let _ = client.try_send(client.request(Method::POST, "/heartbeats").json(&json!({}))).await;
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A device of `user` that may be silent for so long.
async fn device_with_timeout(user: &Client, offline_after_s: i64) -> Device {
    let device = user.new_device().await;
    let _ =
        user.patch(&format!("/devices/{}", device.id), &json!({"offline_after_s": offline_after_s})).await.expect(200);
    device
}

async fn heartbeat(device: &Device) {
    let _ = device.client.post("/heartbeats", &json!({})).await.expect(202);
}

/// A device's changes, oldest first: status and reason.
async fn changes(user: &Client, device: &Device) -> Vec<(String, String)> {
    let timeline = user.get(&format!("/devices/{}/timeline", device.id)).await.expect(200).body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = timeline["changes"].as_array().unwrap().iter().rev();
    changes.map(|change| (text(&change["status"]), text(&change["reason"]))).collect()
}

async fn changed(user: &Client, device: &Device, count: usize) -> Vec<(String, String)> {
    eventually(&format!("{count} changes"), async || {
        let changes = changes(user, device).await;
        (changes.len() >= count).then_some(changes)
    })
    .await
}

fn online() -> (String, String) {
    ("online".into(), "data".into())
}

fn offline(reason: &str) -> (String, String) {
    ("offline".into(), reason.into())
}

async fn status(user: &Client, device: &Device) -> Value {
    user.get(&format!("/health/{}", device.id)).await.expect(200).body["status"].clone()
}

/// Waits until what is stored is judged: the clock runs.
async fn clock_runs(pulso: &Pulso) {
    let fresh = "SELECT count(*) FROM ingest_availability() WHERE stored_through > now() - interval '2 seconds'";
    eventually("the clock runs", async || (pulso.database.count(fresh).await == 1).then_some(())).await;
}

/// Looks for as long as an outage lasts, and expects all that time that the device counts as there.
async fn stays_online(user: &Client, device: &Device) {
    let end = tokio::time::Instant::now() + OUTAGE;
    while tokio::time::Instant::now() < end {
        assert_eq!(status(user, device).await, "online");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
    clock_runs(pulso).await;
    let sender = Sender::start(alive.client.clone());
    let _ = changed(&user, &alive, 1).await;
    heartbeat(&dead).await;
    let _ = changed(&user, &dead, 1).await;
    heartbeat(&dead).await;
    (user, alive, sender, dead)
}

#[tokio::test]
async fn a_device_that_comes_and_goes_has_a_timeline_with_its_uptime() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let device = device_with_timeout(&user, 1).await;
    let path = format!("/devices/{}/timeline", device.id);
    let empty = user.get(&path).await.expect(200).body;
    assert_eq!(
        (&empty["changes"], &empty["status"], &empty["uptime"]["online_s"]),
        (&json!([]), &json!("offline"), &json!(0.0))
    );
    clock_runs(&pulso).await;
    for flap in 0..2 {
        heartbeat(&device).await;
        eventually("online at once", async || (status(&user, &device).await == "online").then_some(())).await;
        let _ = changed(&user, &device, 2 * flap + 2).await;
        assert_eq!(status(&user, &device).await, "offline");
    }
    let silence = || offline("silence");
    assert_eq!(changes(&user, &device).await, [online(), silence(), online(), silence()]);

    let timeline = user.get(&path).await.expect(200).body;
    let instant = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    let all = timeline["changes"].as_array().unwrap();
    for pair in all.chunks(2) {
        // By the data: exactly its timeout after it was last heard of, however late that was noticed.
        assert_eq!(instant(&pair[0]["at"]) - instant(&pair[1]["at"]), chrono::TimeDelta::seconds(1));
        let noticed_after = instant(&pair[0]["decided_at"]) - instant(&pair[0]["at"]);
        assert!(noticed_after > chrono::TimeDelta::zero() && noticed_after < chrono::TimeDelta::seconds(10));
    }
    let seconds = |name: &str| timeline["uptime"][name].as_f64().unwrap();
    assert!((seconds("online_s") - 2.0).abs() < 0.001, "{timeline}");
    let length = (instant(&timeline["end"]) - instant(&timeline["start"])).as_seconds_f64();
    assert!((seconds("online_s") + seconds("offline_s") + seconds("unknown_s") - length).abs() < 0.001, "{timeline}");
    assert!((seconds("percent") - 100.0 * 2.0 / (2.0 + seconds("offline_s"))).abs() < 0.001, "{timeline}");

    // A part of it: from the middle of the first time online to the middle of the second.
    let half = |change: &Value| {
        (instant(&change["at"]) + chrono::TimeDelta::milliseconds(500)).to_rfc3339().replace('+', "%2B")
    };
    let part = user.get(&format!("{path}?start={}&end={}", half(&all[3]), half(&all[1]))).await.expect(200).body;
    assert_eq!(part["changes"].as_array().unwrap().len(), 2, "{part}");
    assert!((part["uptime"]["online_s"].as_f64().unwrap() - 1.0).abs() < 0.001, "{part}");

    let mut page = user.get(&format!("{path}?limit=3")).await.expect(200);
    assert_eq!(page.body["changes"].as_array().unwrap(), &all[..3]);
    page = user.get(&page.next_page().expect("a second page")).await.expect(200);
    assert_eq!((page.body["changes"].as_array().unwrap().as_slice(), page.next_page()), (&all[3..], None));

    let _ = pulso.client.new_user().await.get(&path).await.expect(404);
    let _ = pulso.client.get(&path).await.expect(401);
    let _ = device.client.get(&path).await.expect(403);
    let faults = user.get(&format!("{path}?start=yesterday&limit=0")).await.expect(422).faults();
    assert_eq!(faults, [("/limit".into(), "out_of_range".into()), ("/start".into(), "invalid".into())]);
    let _ = user.delete(&format!("/devices/{}", device.id)).await.expect(204);
    let _ = user.get(&path).await.expect(404);
    pulso.finish().await;
}

#[tokio::test]
async fn nobody_is_called_offline_because_the_api_was_down() {
    let mut pulso = Pulso::start().await;
    let (user, mut alive, sender, mut dead) = two_devices(&pulso).await;
    drop(sender);
    pulso.api.kill().await;
    tokio::time::sleep(OUTAGE).await;
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
    let amqp_url = std::env::var("TEST_AMQP_URL").expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&amqp_url)).await;
    let amqp_url = Some(proxy.through(&amqp_url));
    let api = vec![("PUBLISH_TIMEOUT_MS", "500".to_owned())];
    let pulso = Pulso::start_with(Options { api, amqp_url, ..Options::default() }).await;
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
async fn when_the_clocks_keeper_is_killed_another_worker_keeps_it_and_nothing_is_told_twice() {
    let mut pulso = Pulso::start().await;
    let keeps = async |worker: &Process| {
        eventually("keeps the clock", async || worker.has_logged("offline detector leads").then_some(())).await;
    };
    keeps(pulso.worker.as_ref().unwrap()).await;
    let second = pulso.start_another_worker().await;
    let (user, alive, _sender, dead) = two_devices(&pulso).await;
    assert!(!second.has_logged("offline detector leads"), "two keep it");
    pulso.worker.as_mut().unwrap().kill().await;
    keeps(&second).await;
    only_the_dead_is_offline(&user, &alive, &dead, "silence").await;
    heartbeat(&dead).await;
    let online_again = [online(), offline("silence"), online()];
    assert_eq!(changed(&user, &dead, 3).await, online_again);
    assert_eq!(pulso.database.count("SELECT count(*) FROM device_status_changes").await, 4);
}
