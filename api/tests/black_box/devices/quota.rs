//! An account has at most so many devices.

use pulso_testkit::Client;
use serde_json::json;

use crate::support::start_api;

async fn import(client: &Client, sheet: &'static str) -> pulso_testkit::Answer {
    client
        .send(client.request(reqwest::Method::POST, "/devices/import").header("Content-Type", "text/csv").body(sheet))
        .await
}

#[tokio::test]
async fn an_account_has_as_many_devices_as_it_may_and_its_neighbour_too() {
    let pulso = start_api(vec![("DEVICES_MAX_PER_ACCOUNT", "4".to_owned())]).await;
    let (user, neighbour) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..12 {
        let user = user.clone();
        tries.spawn(async move {
            match n % 3 {
                0 => user.post("/devices", &json!({"name": "device"})).await,
                1 => user.post("/servers", &json!({"server_name": "server"})).await,
                _ => import(&user, "name\r\ndevice\r\n").await,
            }
        });
    }
    let answers = tries.join_all().await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 4, "of those who come at once no one slips past");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert_eq!(refused.faults(), [("/devices".to_owned(), "too_many_devices".to_owned())]);
        assert!(refused.text.contains("may have 4 devices"), "{}", refused.text);
    }
    assert_eq!(user.get("/devices").await.expect(200).body.as_array().unwrap().len(), 4);

    let _ = import(&neighbour, "name\r\na\r\nb\r\nc\r\nd\r\ne\r\n").await.expect(409);
    let _ = import(&neighbour, "name\r\na\r\nb\r\nc\r\nd\r\n").await.expect(201);
    let first = user.get("/devices").await.expect(200).body[0]["id"].as_str().unwrap().to_owned();
    let _ = user.delete(&format!("/devices/{first}")).await.expect(204);
    let _ = user.new_device().await;
    let _ = user.post("/devices", &json!({"name": "device"})).await.expect(409);
    pulso.finish().await;
}

#[tokio::test]
async fn a_quota_of_0_is_none() {
    let pulso = start_api(vec![("DEVICES_MAX_PER_ACCOUNT", "0".to_owned())]).await;
    let user = pulso.client.new_user().await;
    for _ in 0..3 {
        let _ = user.post("/devices", &json!({"name": "device"})).await.expect(201);
    }
    pulso.finish().await;
}
