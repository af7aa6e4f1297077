//! What administrators do with dead letters.

use pulso_testkit::{Client, eventually};
use serde_json::{Value, json};

use crate::support::accounts::start_with_administrator;
use crate::support::redaction::redacted;
use crate::support::time::seconds_from_now;

const LETTERS: &str = "/admin/dead-letters";
const REPLAY: &str = "/admin/dead-letters/replay";

/// The dead letters, once there are so many.
async fn letters(administrator: &Client, count: usize) -> Vec<Value> {
    eventually(&format!("{count} dead letters"), async || {
        let answer = administrator.get(LETTERS).await.expect(200);
        let letters = answer.body.as_array().unwrap().clone();
        assert!(letters.len() <= count, "more dead letters than {count}: {letters:?}");
        (letters.len() == count).then_some(letters)
    })
    .await
}

fn ids(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn dead_letters_are_seen_in_their_order_and_stay_where_they_are() {
    let (pulso, administrator) = start_with_administrator().await;
    pulso.broker.publish("pulso.telemetry.v9", b"[]").await;
    letters(&administrator, 1).await;
    pulso.broker.publish("pulso.telemetry.v2", "nö json".as_bytes()).await;
    let seen = letters(&administrator, 2).await;
    insta::assert_snapshot!(redacted(&json!(seen)), @r#"
    [
      {
        "bytes": 2,
        "detail": "unknown message type pulso.telemetry.v9",
        "died_at": "[time]",
        "excerpt": null,
        "id": "[ulid 1]",
        "message_type": "pulso.telemetry.v9",
        "readings": 0,
        "reason": "undecodable",
        "submissions": []
      },
      {
        "bytes": 8,
        "detail": "undecodable: expected ident at line 1 column 2",
        "died_at": "[time]",
        "excerpt": "nö json",
        "id": "[ulid 2]",
        "message_type": "pulso.telemetry.v2",
        "readings": null,
        "reason": "undecodable",
        "submissions": null
      }
    ]
    "#);
    let died_at: chrono::DateTime<chrono::Utc> = seen[1]["died_at"].as_str().unwrap().parse().unwrap();
    let age = pulso_shared::clock::Clock::system().now() - died_at;
    assert!((-2..60).contains(&age.num_seconds()), "{died_at}");
    for _ in 0..30 {
        assert_eq!(letters(&administrator, 2).await, seen, "the same, with the same ids, however often one looks");
    }
    let oldest = administrator.get(&format!("{LETTERS}?limit=1")).await.expect(200);
    assert_eq!(oldest.header("x-total-count"), Some("2"));
    assert_eq!(oldest.body, json!([seen[0]]));
    for limit in ["0", "1001", "x"] {
        let _ = administrator.get(&format!("{LETTERS}?limit={limit}")).await.expect(422);
    }

    let (first, second) = (ids(&seen)[0], ids(&seen)[1]);
    let _ = administrator.delete(&format!("{LETTERS}/{first}")).await.expect(204);
    let _ = administrator.delete(&format!("{LETTERS}/{first}")).await.expect(404);
    let _ = administrator.delete(&format!("{LETTERS}/nonsense")).await.expect(404);
    assert_eq!(ids(&letters(&administrator, 1).await), [second]);
    let _ = administrator.delete(&format!("{LETTERS}/{second}")).await.expect(204);
    pulso.finish().await;
}

#[tokio::test]
async fn a_replay_puts_back_what_is_meant_and_what_still_cannot_be_stored_comes_back() {
    let (pulso, administrator) = start_with_administrator().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute("ALTER TABLE heartbeats ADD CONSTRAINT small CHECK (cpu_usage < 10)").await;
    let body: Vec<_> = (8..13).map(|cpu| json!({"timestamp": seconds_from_now(-cpu), "cpu": cpu})).collect();
    let _ = device.client.post("/heartbeats", &json!(body)).await.expect(202);
    let refused = letters(&administrator, 3).await;
    pulso.stored(2).await;
    assert_eq!((&refused[0]["reason"], &refused[0]["readings"]), (&json!("refused"), &json!(1)));
    assert!(refused[0]["detail"].as_str().unwrap().contains("small"), "{}", refused[0]);
    assert_eq!(refused[0]["submissions"][0]["heartbeats"][0]["device_id"], json!(device.id));

    let unknown = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA";
    let named = administrator.post(REPLAY, &json!({"ids": [ids(&refused)[1], unknown]})).await.expect(200);
    assert_eq!(named.body, json!({"replayed": 1, "missing": [unknown], "stopped": null}));
    // It cannot be stored yet: it is back, behind the others, under a new id.
    let back = eventually("it comes back", async || {
        let seen = letters(&administrator, 3).await;
        (ids(&seen)[1] == ids(&refused)[2]).then_some(seen)
    });
    let back = back.await;
    assert_eq!(ids(&back)[..2], [ids(&refused)[0], ids(&refused)[2]]);
    assert_ne!(ids(&back)[2], ids(&refused)[1]);

    pulso.database.execute("ALTER TABLE heartbeats DROP CONSTRAINT small").await;
    let all = administrator.send(administrator.request(reqwest::Method::POST, REPLAY)).await.expect(200);
    assert_eq!(all.body, json!({"replayed": 3, "missing": [], "stopped": null}));
    pulso.stored(5).await;
    letters(&administrator, 0).await;
    let none = administrator.post(REPLAY, &json!({})).await.expect(200);
    assert_eq!(none.body["replayed"], 0);
    pulso.finish().await;
}

#[tokio::test]
async fn hundreds_of_dead_letters_are_replayed_in_one_call_and_none_is_lost() {
    let (pulso, administrator) = start_with_administrator().await;
    let device = pulso.client.new_user().await.new_device().await;
    pulso.database.execute("ALTER TABLE heartbeats ADD CONSTRAINT no_row CHECK (cpu_usage < 0)").await;
    let body: Vec<_> = (0..350).map(|n| json!({"timestamp": seconds_from_now(-n - 1), "cpu": 1})).collect();
    let _ = device.client.post("/heartbeats", &json!(body)).await.expect(202);
    eventually("all are dead", async || (pulso.broker.depth("dead").await == 350).then_some(())).await;
    // Looked at by several at once: each sees all of them, since they take turns.
    let looks = futures_util::future::join_all((0..3).map(|_| administrator.get("/admin/dead-letters?limit=1000")));
    for answer in looks.await {
        assert_eq!(answer.expect(200).body.as_array().unwrap().len(), 350);
    }
    pulso.database.execute("ALTER TABLE heartbeats DROP CONSTRAINT no_row").await;
    let all = administrator.post(REPLAY, &json!({})).await.expect(200);
    assert_eq!(all.body, json!({"replayed": 350, "missing": [], "stopped": null}));
    pulso.stored(350).await;
    pulso.finish().await;
}

#[tokio::test]
async fn dead_letters_and_the_pipeline_are_for_administrators() {
    let (pulso, administrator) = start_with_administrator().await;
    let user = pulso.client.new_user().await;
    let device = user.new_device().await;
    for (client, status) in [(&pulso.client, 401), (&user, 403), (&device.client, 403)] {
        let _ = client.get("/admin/pipeline").await.expect(status);
        let _ = client.get(LETTERS).await.expect(status);
        let _ = client.post(REPLAY, &json!({})).await.expect(status);
        let _ = client.delete("/admin/dead-letters/01JD3ZK8M4T0Q2V6X9Y7B5C1RA").await.expect(status);
    }
    for (ids, code) in
        [(json!("x"), "wrong_type"), (json!(["x"]), "invalid"), (json!(vec![device.id; 1_001]), "too_many")]
    {
        let refused = administrator.post(REPLAY, &json!({"ids": ids})).await.expect(422);
        assert_eq!(refused.faults(), [("/ids".to_owned(), code.to_owned())]);
    }
    pulso.finish().await;
}
