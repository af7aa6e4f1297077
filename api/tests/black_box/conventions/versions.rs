//! Versions: a client that has an answer is not sent it again, and an edit of an old version changes nothing.

use reqwest::Method;
use serde_json::json;

use super::Stage;

#[tokio::test]
async fn every_answer_with_a_tag_is_a_304_to_whoever_has_it() {
    let stage = Stage::set().await;
    let rows = stage.rows(|operation| operation["responses"].get("304").is_some());
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        let caller = stage.allowed(row);
        let (_, path, query) = stage.scene.address(row);
        // Of a history, only points have one, and they need not change in the meantime.
        let query =
            if row.operation.ends_with("s") && path.contains("/devices/") { "?aggregation=day" } else { &query };
        let address = format!("{path}{query}");
        let first = caller.get(&address).await.expect(200);
        let tag = first.header("etag").unwrap_or_else(|| panic!("{} has no tag", row.operation)).to_owned();
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = caller.get_with(&address, "If-None-Match", &known).await.expect(304);
            assert_eq!(again.header("etag"), Some(tag.as_str()), "{} {known}", row.operation);
            assert_eq!(again.text, "", "{} {known}", row.operation);
        }
        for other in ["\"x\"", "nonsense", ""] {
            let answer = caller.get_with(&address, "If-None-Match", other).await.expect(200);
            assert_eq!(answer.body, first.body, "{} {other}", row.operation);
        }
    }
    stage.pulso.finish().await;
}

#[tokio::test]
async fn every_edit_of_a_version_that_is_gone_is_a_412_and_changes_nothing() {
    let stage = Stage::set().await;
    let takes_version = |operation: &serde_json::Value| {
        operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == "If-Match")
    };
    let rows = stage.rows(takes_version);
    assert!(rows.len() >= 9, "{}", rows.len());
    let before = stage.view().await;
    for row in &rows {
        let caller = stage.allowed(row);
        let (method, path, _) = stage.scene.address(row);
        for tag in ["\"0.0\"", "\"x\", \"y\"", "nonsense", "W/\"0\""] {
            let request = caller.request(method.clone(), &path).header("If-Match", tag);
            let request = if row.sent.is_empty() { request } else { request.json(&body(row.sent)) };
            let refused = caller.send(request).await;
            assert_eq!(refused.status, 412, "{} {tag}: {}", row.operation, refused.text);
        }
    }
    for (before, now) in before.iter().zip(stage.view().await) {
        assert_eq!(*before, now);
    }
    // `*` is whichever version there is.
    let owner = &stage.callers.owner.client;
    let (_, path, _) = stage.scene.address(rows.iter().find(|row| row.operation == "PATCH /devices/{id}").unwrap());
    let any = owner.request(Method::PATCH, &path).header("If-Match", "*").json(&json!({"location": "Hall 9"}));
    assert_eq!(owner.send(any).await.expect(200).body["location"], "Hall 9");
    stage.pulso.finish().await;
}

fn body(sent: &str) -> serde_json::Value {
    serde_json::from_str(&sent.replace("<fresh>", "another")).unwrap()
}
