//! Nobody is called offline for what Pulso itself did not receive.

use std::time::Duration;

use pulso_testkit::{Client, Device, Options, Process, Proxy, Pulso, eventually};
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

/// A second replica whose way to the broker can be cut; devices that stick to it use this client.
async fn replica_behind_proxy(pulso: &Pulso) -> (Process, Client, Proxy) {
    let (proxy, amqp_url) = broker_proxy().await;
    let own = [("AMQP_URL", amqp_url), ("PUBLISH_TIMEOUT_MS", "500".to_owned())];
    let (process, client) = pulso.start_replica_with(&own).await;
    (process, client, proxy)
}

#[tokio::test]
async fn nobody_is_called_offline_because_one_replica_of_two_was_cut_off_and_its_devices_are_told_to_move() {
    let pulso = Pulso::start().await;
    let (_process, replica, proxy) = replica_behind_proxy(&pulso).await;
    let user = pulso.client.new_user().await;
    let device = device_with_timeout(&user, TIMEOUT_S).await;
    detector_runs(&pulso).await;
    let sticky = replica.with_token(device.client.token().unwrap());
    let sender = Sender::start(sticky.clone());
    let _ = changed(&user, &device, 1).await;
    let _ = replica.get("/readyz/ingest").await.expect(200);

    proxy.cut();
    eventually("it is taken out of the balancer", async || {
        (replica.get("/readyz/ingest").await.status == 503).then_some(())
    })
    .await;
    let refused = sticky.post("/heartbeats", &json!({})).await.expect(503);
    assert_eq!((refused.header("connection"), refused.header("retry-after")), (Some("close"), Some("1")));
    // Longer than its timeout, all of its heartbeats are refused; the other replica takes in whatever it is sent.
    stays_online(&user, &device).await;
    let _ = pulso.client.get("/readyz/ingest").await.expect(200);
    drop(sender);
    let _sender = Sender::start(device.client.clone());
    stays_online(&user, &device).await;
    assert_eq!(changes(&user, &device).await, [online()]);
}

/// The windows that the presence rule leaves out, as seconds from the beginning of these runs: replica, since, until, and
/// whether it left in order.
async fn outages(pulso: &Pulso, runs: &[(i64, i64, i64, bool)]) -> Vec<(i64, i64)> {
    pulso.database.execute("DELETE FROM availability_runs").await;
    for (replica, since, until, has_left) in runs {
        let at = |second: &i64| format!("'2026-11-25T12:00:00Z'::timestamptz + interval '{second} seconds'");
        let replica = format!("00000000-0000-0000-0000-{replica:012}");
        let run = format!("('{replica}', {}, {}, {has_left})", at(since), at(until));
        let insert = "INSERT INTO availability_runs (replica_id, available_since, available_until, has_left) VALUES";
        pulso.database.execute(&format!("{insert} {run}")).await;
    }
    let seconds = "SELECT extract(EPOCH FROM f - '2026-11-25T12:00:00Z')::bigint,
        extract(EPOCH FROM u - '2026-11-25T12:00:00Z')::bigint
        FROM ingest_availability() AS a, unnest(a.outages_from, a.outages_until) AS w (f, u) ORDER BY 1";
    let rows = pulso.database.query(seconds, &[]).await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_replica_that_is_cut_off_spares_everybody_for_a_minute_in_ten_and_no_longer() {
    // Without a worker nobody but the test writes runs.
    let pulso = Pulso::start_with(Options { without_worker: true, ..Options::default() }).await;
    let healthy = (1, 0, 5_000, false);
    assert_eq!(outages(&pulso, &[healthy, (2, 0, 5_000, false)]).await, []);
    assert_eq!(outages(&pulso, &[healthy, (2, 0, 100, false), (2, 130, 5_000, false)]).await, [(100, 130)]);
    assert_eq!(outages(&pulso, &[healthy, (2, 0, 100, false)]).await, [(100, 160)], "it never came back");
    assert_eq!(outages(&pulso, &[healthy, (2, 0, 100, true)]).await, [], "it was stopped in order");
    assert_eq!(
        outages(&pulso, &[(1, 0, 100, false), (2, 200, 5_000, false)]).await,
        [(100, 200)],
        "it was the only one"
    );
    let restarted = [(1, 0, 110, false), (2, 0, 100, false), (3, 115, 5_000, false)];
    assert_eq!(outages(&pulso, &restarted).await, [(100, 115)], "a power cut: both of them, and then a new one");
    // Again and again: 20 s of every 40 s, for 1,000 s.
    let flapping = (0..25).map(|n| (2, 40 * n, 40 * n + 20, false));
    let runs: Vec<_> = [healthy].into_iter().chain(flapping).chain([(2, 1_000, 5_000, false)]).collect();
    let spared: i64 = outages(&pulso, &runs).await.iter().map(|(from, until)| until - from).sum();
    assert!((60..=120).contains(&spared), "{spared} s of 1,000 s");
    pulso.database.execute("DELETE FROM availability_runs").await;
    pulso.finish().await;
}

#[tokio::test]
async fn a_replica_that_is_stopped_in_order_delays_nobodys_judgement() {
    let pulso = Pulso::start().await;
    let (mut replica, _client) = pulso.start_replica().await;
    let runs = "SELECT count(DISTINCT replica_id) FROM availability_runs";
    eventually("both are available", async || (pulso.database.count(runs).await == 2).then_some(())).await;
    replica.terminate().await;
    let left = "SELECT count(*) FROM availability_runs WHERE has_left";
    eventually("it has left", async || (pulso.database.count(left).await == 1).then_some(())).await;
    let open = "SELECT count(*) FROM partial_outages WHERE outage_until - outage_from > interval '1 second'";
    assert_eq!(pulso.database.count(open).await, 0);
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
