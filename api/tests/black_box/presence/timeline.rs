//! A device's changes of status and its uptime.

use chrono::DateTime;
use pulso_testkit::{Options, Pulso, eventually};
use serde_json::{Value, json};

use super::{changed, changes, detector_runs, device_with_timeout, heartbeat, offline, online, status};

#[tokio::test]
async fn a_device_that_comes_and_goes_has_a_timeline_with_its_uptime() {
    let api = vec![("OFFLINE_AFTER_MIN_S", "1".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let user = pulso.client.new_user().await;
    let device = device_with_timeout(&user, 1).await;
    let path = format!("/devices/{}/timeline", device.id);
    let empty = user.get(&path).await.expect(200).body;
    assert_eq!(
        (&empty["changes"], &empty["status"], &empty["uptime"]["online_s"]),
        (&json!([]), &json!("offline"), &json!(0.0))
    );
    detector_runs(&pulso).await;
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
