use pulso_testkit::eventually;
use serde_json::json;

use super::{Stage, Transcript};

pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let administrator = &stage.administrator;
    let _ = shown.get(administrator, "/admin/pipeline").await;

    stage.pulso.broker.publish("pulso.telemetry.v9", b"[]").await;
    let the_only = async || {
        eventually("a dead letter", async || {
            let letters = administrator.get("/admin/dead-letters").await.expect(200).body;
            letters[0]["id"].as_str().map(str::to_owned)
        })
        .await
    };
    let first = the_only().await;
    let _ = shown.get(administrator, "/admin/dead-letters").await;
    // No worker knows this type: it comes back under another id.
    let _ = shown.post(administrator, "/admin/dead-letters/replay", &json!({"ids": [first]})).await;
    let _ = shown.delete(administrator, &format!("/admin/dead-letters/{}", the_only().await)).await;
}
