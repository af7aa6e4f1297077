//! Devices as a sheet: taken in whole or not at all, and given out as they were taken in.

use pulso_testkit::{Answer, Client, Pulso};
use reqwest::Method;
use serde_json::json;

async fn import(client: &Client, sheet: impl Into<reqwest::Body>) -> Answer {
    client.send(client.request(Method::POST, "/devices/import").header("Content-Type", "text/csv").body(sheet)).await
}

async fn count(client: &Client) -> usize {
    client.get("/devices?limit=1000").await.expect(200).body.as_array().unwrap().len()
}

#[tokio::test]
async fn what_is_exported_can_be_imported_and_is_the_same_again() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    for device in [
        json!({"name": "=HYPERLINK(\"http://x\")", "location": "+49, \"Hall\"", "sn": "000000000007"}),
        json!({"name": "'=quoted already", "description": "two\nlines; and, commas"}),
        json!({"name": "@home ã", "location": "-1 floor", "description": "'plain"}),
    ] {
        let _ = user.post("/devices", &device).await.expect(201);
    }
    let _ = user.post("/servers", &json!({"server_name": "Dolly #1"})).await.expect(201);
    let sheet = user.get("/devices/export").await.expect(200);
    assert_eq!(sheet.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(sheet.header("content-disposition"), Some("attachment; filename=\"devices.csv\""));
    insta::assert_snapshot!(sheet.text.replace('\r', "␍"), @r#"
    name,location,sn,description␍
    "'=HYPERLINK(""http://x"")","'+49, ""Hall""",000000000007,␍
    ''=quoted already,,,"two
    lines; and, commas"␍
    '@home ã,'-1 floor,,'plain␍
    Dolly #1,,,␍
    "#);

    let made = import(&other, sheet.text.clone()).await.expect(201).body;
    assert_eq!(made["imported"], 4);
    let lines: Vec<_> = made["devices"].as_array().unwrap().iter().map(|device| device["line"].clone()).collect();
    assert_eq!(lines, [2, 3, 5, 6]);
    assert_eq!(other.get("/devices/export").await.expect(200).text, sheet.text);
    let described = |answer: &Answer| {
        let fields = ["name", "location", "sn", "description"];
        let devices = answer.body.as_array().unwrap().iter();
        devices.map(|device| fields.map(|field| device[field].clone())).collect::<Vec<_>>()
    };
    assert_eq!(described(&other.get("/devices").await), described(&user.get("/devices").await));

    // Each of them is a device like any other: its secret, shown this once, lets it send.
    let first = &made["devices"][0];
    let secret = json!({"device_id": first["id"], "secret": first["secret"]});
    let token = pulso.client.post("/auth/device", &secret).await.expect(200);
    let _ = pulso.client.with_token_of(&token).post("/heartbeats", &json!({"cpu": 1})).await.expect(202);
    pulso.stored(1).await;
    let shown = other.get(&format!("/devices/{}", first["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!((&shown["status"], &shown["ingest_auth"]), (&json!("online"), &json!("token")));
    pulso.finish().await;
}

#[tokio::test]
async fn a_sheet_with_a_bad_line_registers_nothing_and_names_every_fault() {
    let pulso = Pulso::start().await;
    let (user, other) = (pulso.client.new_user().await, pulso.client.new_user().await);
    let _ = user.post("/devices", &json!({"name": "there", "sn": "000000000001"})).await.expect(201);
    let faults = async |sheet: &str| import(&user, sheet.to_owned()).await.expect(422).faults();
    let named = |faults: &[(&str, &str)]| {
        faults.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect::<Vec<_>>()
    };
    let sheet = "sn,name\n000000000002,good\n12,\n000000000002,again\n";
    let expected = [("/3/name", "required"), ("/3/sn", "invalid"), ("/4/sn", "repeated")];
    assert_eq!(faults(sheet).await, named(&expected[..]));
    let sheet = "sn,name,description\r\n000000000002,good,\"two\nlines\"\r\n\r\n000000000001,taken,\r\n";
    let refused = import(&user, sheet.to_owned()).await.expect(422);
    assert_eq!(refused.faults(), named(&[("/5/sn", "taken")]));
    assert!(refused.body["detail"].as_str().unwrap().contains("line 5"), "{}", refused.body);
    assert_eq!(faults("location\nx\n").await, named(&[("/1", "required")]));
    assert_eq!(faults(&format!("name\n{}", "x\n".repeat(10_001))).await, named(&[("", "too_many_items")]));
    assert_eq!(count(&user).await, 1);
    let _ = import(&user, &b"name\n\xff\n"[..]).await.expect(422);
    let _ = import(&user, vec![b'x'; 8 * 1024 * 1024 + 1]).await.expect(413);
    let _ = user.send(user.request(Method::POST, "/devices/import").json(&json!([]))).await.expect(415);
    let _ = import(&pulso.client, "name\nx\n").await.expect(401);
    let _ = import(&user.new_device().await.client, "name\nx\n").await.expect(403);
    let _ = pulso.client.get("/devices/export").await.expect(401);

    // A serial number is its owner's: somebody else's is free.
    let _ = import(&other, "sn,name\n000000000001,mine\n").await.expect(201);
    assert_eq!((count(&user).await, count(&other).await), (2, 1));
    pulso.finish().await;
}

#[tokio::test]
async fn ten_thousand_devices_come_and_go_in_one_sheet() {
    let pulso = Pulso::start().await;
    let user = pulso.client.new_user().await;
    let line = |n: u32| format!("Device {n},Hall {},{n:012},\r\n", n % 10);
    let sheet = format!("name,location,sn,description\r\n{}", (0..10_000).map(line).collect::<String>());
    let made = import(&user, sheet.clone()).await.expect(201).body;
    assert_eq!(made["imported"], 10_000);
    assert_eq!(user.get("/devices/export").await.expect(200).text, sheet);
    let again = import(&user, sheet).await.expect(422);
    assert_eq!(again.faults().len(), 100);
    let found = user.get("/devices?q=Device%209999").await.expect(200).body;
    assert_eq!((found.as_array().unwrap().len(), &found[0]["sn"]), (1, &json!("000000009999")));
    let hall = user.get("/devices?location=hall%203&limit=1000").await.expect(200).body;
    assert_eq!(hall.as_array().unwrap().len(), 1_000);
    pulso.finish().await;
}
