//! What every operation says of a body that it cannot take.

use pulso_testkit::Client;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use super::Stage;
use crate::authorization::table::Row;

/// What is judged before the body: a refresh by cookie, a sheet, and what an item of a feed is called.
fn takes_json(operation: &Value) -> bool {
    operation["requestBody"]["content"].get("application/json").is_some()
}

fn is_ingest(operation: &Value) -> bool {
    operation["tags"][0] == "ingest"
}

async fn send(stage: &Stage, row: &Row, content_type: &str, body: impl Into<reqwest::Body>) -> pulso_testkit::Answer {
    let caller: &Client = stage.allowed(row);
    let (method, path, _) = stage.scene.address(row);
    caller.send(caller.request(method, &path).header(CONTENT_TYPE, content_type).body(body)).await
}

#[tokio::test]
async fn every_body_that_is_no_json_is_a_400_and_any_other_type_a_415() {
    let stage = Stage::set().await;
    let rows = stage.rows(takes_json);
    assert!(rows.len() >= 25, "{}", rows.len());
    let mut differences = Vec::new();
    for row in rows {
        let mut bad = vec!["{", "nonsense", "5", "\"text\"", "true", "{\"a\": 1,}", "{} {}"];
        if !is_ingest(stage.documented(row)) {
            bad.extend(["[]", "[{}]"]);
        }
        for body in bad {
            let answer = send(&stage, row, "application/json", body).await;
            if answer.status != 400 || answer.body["type"] != "/problems/unreadable" {
                differences.push(format!("{} {body}: {}", row.operation, answer.text));
            }
        }
        for content_type in ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"] {
            let answer = send(&stage, row, content_type, "{}").await;
            if answer.status != 415 {
                differences.push(format!("{} {content_type}: {}", row.operation, answer.text));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    stage.pulso.finish().await;
}

#[tokio::test]
async fn every_body_that_is_too_large_is_a_413_and_one_in_an_unknown_compression_a_415() {
    let stage = Stage::set().await;
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(2_000_000));
    for row in stage.rows(takes_json) {
        // A feed may hold more.
        if row.operation != "POST /products/import" {
            let answer = send(&stage, row, "application/json", large.clone()).await;
            assert_eq!(answer.status, 413, "{}: {}", row.operation, answer.text);
        }
        let (method, path, _) = stage.scene.address(row);
        let caller = stage.allowed(row);
        let request = caller.request(method, &path).header(CONTENT_TYPE, "application/json");
        let answer = caller.send(request.header(CONTENT_ENCODING, "zstd-of-old").body("{}")).await;
        assert_eq!(answer.status, 415, "{}: {}", row.operation, answer.text);
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate"), "{}", row.operation);
    }
    stage.pulso.finish().await;
}

#[tokio::test]
async fn every_field_that_is_described_is_checked_for_its_type_and_named() {
    let stage = Stage::set().await;
    let schemas = &stage.document["components"]["schemas"];
    let mut checked = 0;
    for row in stage.rows(takes_json) {
        let operation = stage.documented(row);
        // A feed names its items by their place.
        if row.operation == "POST /products/import" {
            continue;
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        for field in fields(schema, schemas) {
            // Nothing takes an object of this form, and only the cache takes any value.
            if field == "value" || field == "metrics" {
                continue;
            }
            let body = json!({field.clone(): {"not": ["of", "any", "type"]}}).to_string();
            let answer = send(&stage, row, "application/json", body).await;
            assert_eq!(answer.status, 422, "{} {field}: {}", row.operation, answer.text);
            let pointers = answer.faults().into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>();
            assert!(pointers.contains(&format!("/{field}")), "{} {field}: {pointers:?}", row.operation);
            checked += 1;
        }
    }
    assert!(checked >= 60, "the document was not read: {checked}");
    stage.pulso.finish().await;
}

/// The names of a schema's fields, also of those that it takes from others.
fn fields(schema: &Value, schemas: &Value) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return fields(&schemas[name], schemas);
    }
    let own = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys().cloned());
    let parts = ["allOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    own.chain(parts.flat_map(|part| fields(part, schemas))).collect()
}

#[tokio::test]
async fn a_field_that_nobody_knows_is_ignored_and_a_whole_number_may_have_a_point() {
    let stage = Stage::set().await;
    let owner = &stage.callers.owner.client;
    let device = json!({"name": "Boiler", "offline_after_s": 60.0, "colour": "red", "": null, "__proto__": {}});
    let made = owner.post("/devices", &device).await.expect(201);
    assert_eq!((&made.body["offline_after_s"], made.body.get("colour")), (&json!(60), None));
    for (number, code) in
        [("60.5", "wrong_type"), ("1e300", "wrong_type"), ("-60.0", "invalid"), ("\"60\"", "wrong_type")]
    {
        let body = format!(r#"{{"name": "Boiler", "offline_after_s": {number}}}"#);
        let refused = owner.post_raw("/devices", body).await.expect(422);
        assert_eq!(refused.faults(), [("/offline_after_s".to_owned(), code.to_owned())], "{number}");
    }
    let entry = owner.post_raw("/cache/set", r#"{"key": "k", "value": 1.0, "ttl_s": 6e1}"#).await.expect(201);
    assert!(entry.text.contains(r#""value":1.0"#), "any value is kept as it was written: {}", entry.text);
    stage.pulso.finish().await;
}
