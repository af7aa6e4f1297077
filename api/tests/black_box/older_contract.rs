//! A client written for the public exam "exame-backend-dtlabs-2025", played whole. It knows no prefix, ends some of its
//! addresses with a slash, signs in by a form, and sends timestamps without an offset and sensors that are null.

use pulso_testkit::{Pulso, eventually};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_exams_client_works_unchanged() {
    let pulso = Pulso::start().await;
    let anyone = &pulso.client;
    let account = json!({"username": "dtlabs", "password": "a long password"});
    let _ = anyone.post("/auth/register", &account).await.expect(201);
    let _ = anyone.post("/auth/register/", &account).await.expect(409);
    let form = [("username", "dtlabs"), ("password", "a long password")];
    let login = anyone.send(anyone.request(Method::POST, "/auth/login").form(&form)).await.expect(200);
    assert_eq!(login.body["token_type"], "bearer");
    let user = anyone.with_token_of(&login);

    let server = user.post("/servers", &json!({"server_name": "Dolly #1"})).await.expect(201).body;
    let silent = user.post("/servers/", &json!({"server_name": "Dolly #2"})).await.expect(201).body;
    let ulid = server["server_ulid"].as_str().unwrap();
    let send = async |timestamp: &str, temperature: Value, humidity: Value| {
        let body = json!({
            "server_ulid": ulid, "timestamp": timestamp, "temperature": temperature, "humidity": humidity,
            "voltage": null, "current": null,
        });
        let _ = anyone.post("/data", &body).await.expect(201);
    };
    send("2024-02-19T12:34:56", json!(25.5), json!(60.2)).await;
    send("2024-02-19T12:34:58", json!(26.5), Value::Null).await;
    send("2024-02-19T12:50:00", json!(30), Value::Null).await;
    send("2024-02-20T00:00:00", json!(0), Value::Null).await;
    let nothing = json!({"server_ulid": ulid, "timestamp": "2024-02-19T12:34:56", "temperature": null});
    let _ = anyone.post("/data", &nothing).await.expect(422);
    pulso.stored(4).await;

    let raw = user.get(&format!("/data?server_ulid={ulid}")).await.expect(200).body;
    assert_eq!(
        raw[0],
        json!({"timestamp": "2024-02-19T12:34:56Z", "server_ulid": ulid, "temperature": 25.5, "humidity": 60.2})
    );
    let range = "start_time=2024-02-19T00:00:00&end_time=2024-02-19T23:59:59";
    let minutes =
        user.get(&format!("/data/?{range}&sensor_type=temperature&aggregation=minute")).await.expect(200).body;
    assert_eq!(
        minutes,
        json!([
            {"timestamp": "2024-02-19T12:34:00Z", "temperature": 26.0},
            {"timestamp": "2024-02-19T12:50:00Z", "temperature": 30.0},
        ])
    );
    let days = user.get("/data?aggregation=day&sensor_type=temperature").await.expect(200).body;
    assert_eq!(days[1], json!({"timestamp": "2024-02-20T00:00:00Z", "temperature": 0.0}));
    let empty = format!("/data?server_ulid={}", silent["server_ulid"].as_str().unwrap());
    assert_eq!(user.get(&empty).await.expect(200).body, json!([]));
    let backwards = "/data?start_time=2024-02-20T00:00:00&end_time=2024-02-19T00:00:00";
    assert_eq!(user.get(backwards).await.expect(422).body["detail"], "Start time cannot be after end time");
    let _ = anyone.get("/data").await.expect(401);

    let now = pulso_shared::clock::Clock::system().now().format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
    send(&now, json!(21), Value::Null).await;
    eventually("it is online", async || {
        let health = user.get(&format!("/health/{ulid}")).await.expect(200).body;
        (health["status"] == "online" && health["server_name"] == "Dolly #1").then_some(())
    })
    .await;
    let all = user.get("/health/all/").await.expect(200).body;
    let statuses: Vec<_> = all.as_array().unwrap().iter().map(|server| server["status"].as_str().unwrap()).collect();
    assert_eq!(statuses[1], "offline");
    let _ = user.get("/health/01JMG0J6BH9JV08PKJD5GSRM84").await.expect(404);
    pulso.stored(5).await;
    pulso.finish().await;
}
