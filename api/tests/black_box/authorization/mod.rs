//! The authorization matrix: every operation of the OpenAPI document, called by everybody there is. What each is answered
//! stands in [`table`]; a new route without its row fails here.

mod callers;
mod scene;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use pulso_testkit::{Answer, Client, Options, Pulso};
use serde_json::Value;

use crate::support::accounts::signed_in_administrator;
use callers::{Callers, JWT_SECRET, signed_anew, token};
use scene::Scene;
use table::{OK, ROWS, Row};

/// The document's operations, such as `GET /devices/{id}`, and what it says of each.
async fn documented(client: &Client) -> BTreeMap<String, Value> {
    let document = client.get("/api-docs/openapi.json").await.expect(200).body;
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, said)| said.is_object()) {
            let name = format!("{} {}", method.to_uppercase(), path.strip_prefix("/api/v1").unwrap());
            operations.insert(name, operation.clone());
        }
    }
    operations
}

async fn start() -> (Pulso, Callers, Scene) {
    let pulso = Pulso::start_with(Options { api: callers::settings(), ..Options::default() }).await;
    let callers = Callers::gather(&pulso).await;
    let root = signed_in_administrator(&pulso.client).await;
    let scene = Scene::set(&callers, &root).await;
    (pulso, callers, scene)
}

fn is_as_expected(answer: &Answer, expected: u16) -> bool {
    answer.status == expected || (expected == OK && answer.is_success())
}

#[tokio::test]
async fn every_operation_of_the_document_has_its_row_and_every_row_its_operation() {
    let (pulso, ..) = start().await;
    let documented = documented(&pulso.client).await;
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.operation.to_owned()).collect();
    assert_eq!(rows.len(), ROWS.len(), "an operation has two rows");
    let operations: BTreeSet<_> = documented.keys().cloned().collect();
    let without: Vec<_> = operations.difference(&rows).collect();
    assert!(without.is_empty(), "who may do this? add a row to authorization/table.rs: {without:?}");
    let gone: Vec<_> = rows.difference(&operations).collect();
    assert!(gone.is_empty(), "rows without an operation: {gone:?}");

    let mut differences = Vec::new();
    for row in ROWS {
        let operation = &documented[row.operation];
        let needs_token = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
        if needs_token != (row.answers[0] != OK) {
            differences.push(format!("{}: security is {}", row.operation, operation["security"]));
        }
        for status in row.answers.iter().filter(|status| **status != OK) {
            let responses = operation["responses"].as_object().unwrap();
            if !responses.contains_key(&status.to_string()) && !responses.contains_key("4XX") {
                differences.push(format!("{}: {status} is not among its responses", row.operation));
            }
        }
    }
    assert!(differences.is_empty(), "the document says otherwise:\n{}", differences.join("\n"));
    pulso.finish().await;
}

#[tokio::test]
async fn whoever_may_not_is_refused_by_every_operation_and_changes_nothing() {
    let (pulso, callers, scene) = start().await;
    let (owner, administrator) = (&callers.owner.client, &callers.administrator.client);
    let sent = scene.send(&ROWS[0], &callers.device.client, &callers, false).await;
    assert!(sent.is_success(), "{}", sent.text);
    pulso.stored(1).await;
    let before = scene.view(owner, administrator).await;
    assert!(before.iter().all(|(_, seen)| !seen.is_null()), "{before:?}");

    let mut differences = Vec::new();
    let mut refusals = 0;
    for row in ROWS {
        for (name, column, caller) in callers.each() {
            let expected = row.answers[column];
            if expected == OK {
                continue;
            }
            refusals += 1;
            let answer = scene.send(row, caller, &callers, false).await;
            if !is_as_expected(&answer, expected) {
                differences
                    .push(format!("{} as {name}: {}, not {expected}: {}", row.operation, answer.status, answer.text));
                continue;
            }
            assert_eq!(scene.told_by(&answer), None, "{} as {name}: {}", row.operation, answer.text);
            if expected == 401 {
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{} as {name}", row.operation);
            }
            if expected == 404 {
                let unknown = scene.send(row, caller, &callers, true).await.expect(404);
                assert_eq!(answer.problem(), unknown.problem(), "{} as {name}: somebody's, not unknown", row.operation);
            }
        }
        // What only reads changes nothing.
        if row.operation.starts_with("GET ") || row.answers[0] == OK {
            continue;
        }
        for (before, now) in before.iter().zip(scene.view(owner, administrator).await) {
            assert_eq!(*before, now, "{} was refused and changed something", row.operation);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(refusals > 500, "the table was not played: {refusals}");
    // Nothing of what was refused is stored, or was dropped on the way.
    pulso.stored(1).await;
    pulso.finish().await;
}

#[tokio::test]
async fn whoever_may_is_answered_by_every_operation() {
    let (pulso, mut callers, mut scene) = start().await;
    let mut differences = Vec::new();
    let mut stored = 0;
    for row in ROWS {
        if row.operation == "POST /auth/logout" || row.operation == "DELETE /users/me" {
            callers.sign_in_again().await;
        }
        for (name, column, caller) in callers.each() {
            if row.answers[column] != OK {
                continue;
            }
            scene.prepare(row, caller, &callers.owner.client).await;
            let answer = scene.send(row, caller, &callers, false).await;
            if !answer.is_success() {
                differences.push(format!("{} as {name}: {}: {}", row.operation, answer.status, answer.text));
            } else if is_ingest(row) {
                stored += 1;
                pulso.stored(stored).await;
            }
            if name == "another user" && !is_public(row) {
                assert_eq!(scene.told_by(&answer), None, "{} as {name}: {}", row.operation, answer.text);
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(stored, 12, "the owner and the device, by six routes");
    pulso.finish().await;
}

fn is_ingest(row: &Row) -> bool {
    row.sent.contains("<instant>")
}

fn is_public(row: &Row) -> bool {
    row.answers[0] == OK
}

#[tokio::test]
async fn a_token_is_refused_for_its_time_and_its_signature_alone() {
    let (pulso, callers, _) = start().await;
    let (owner, nobody) = (&callers.owner.client, &callers.nobody);
    let again = |earlier_s| nobody.with_token(&signed_anew(token(owner), JWT_SECRET, earlier_s));
    // The tests sign as the API does: what differs below differs in nothing else.
    let _ = again(0).get("/users/me").await.expect(200);
    let _ = again(600).get("/users/me").await.expect(200);
    let _ = again(1_000).get("/users/me").await.expect(401);
    let _ = again(-1_000_000).get("/users/me").await.expect(200);
    pulso.finish().await;
}
