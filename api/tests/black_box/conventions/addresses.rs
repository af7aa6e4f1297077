//! Where operations are found, by which methods, and by which ids.

use std::collections::BTreeSet;

use pulso_testkit::Client;
use reqwest::Method;
use serde_json::Value;

use super::Stage;
use crate::authorization::table::{OK, ROWS};

const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];
const ULID: &str = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA";

#[tokio::test]
async fn every_operation_answers_with_and_without_the_prefix_and_a_slash_behind() {
    let stage = Stage::set().await;
    let mut differences = Vec::new();
    for row in ROWS {
        // What reads is asked by whoever may, everything else by nobody, so that it changes nothing.
        let is_read = row.operation.starts_with("GET ");
        let caller = if is_read { stage.allowed(row) } else { &stage.callers.nobody };
        if !is_read && row.answers[0] == OK {
            continue;
        }
        let (method, path, query) = stage.scene.address(row);
        let expected = if is_read { 200 } else { 401 };
        for prefix in ["/api/v1", ""] {
            for slash in ["", "/"] {
                let address = format!("{prefix}{path}{slash}{query}");
                let status = ask(caller, &method, &address).await.status;
                if status != expected {
                    differences.push(format!("{method} {address}: {status}, not {expected}"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    stage.pulso.finish().await;
}

async fn ask(caller: &Client, method: &Method, address: &str) -> pulso_testkit::Answer {
    let request = caller.request(method.clone(), address);
    let is_read = *method == Method::GET;
    caller.send(if is_read { request } else { request.header("Content-Type", "application/json").body("{}") }).await
}

#[tokio::test]
async fn every_address_names_exactly_its_methods_and_refuses_the_others() {
    let stage = Stage::set().await;
    let paths = stage.document["paths"].as_object().unwrap();
    let mut differences = Vec::new();
    for (path, item) in paths {
        let address = filled(path);
        let taken: BTreeSet<_> = METHODS.into_iter().filter(|method| has(item, method)).collect();
        for address in [address.clone(), format!("{address}/"), address.replace("/api/v1", "")] {
            let options = stage.callers.nobody.ask("OPTIONS", &address).await;
            let allowed: BTreeSet<_> = options.header("allow").unwrap_or_default().split(", ").collect();
            if allowed != taken {
                differences.push(format!("OPTIONS {address}: {allowed:?}, not {taken:?}"));
            }
        }
        // `DELETE /devices/import` is one of the device of that name, of which there is none.
        let others = METHODS.into_iter().filter(|method| !has(item, method) && !has_elsewhere(paths, path, method));
        for method in others {
            let refused = stage.callers.owner.client.ask(method, &address).await;
            let allowed: BTreeSet<_> = refused.header("allow").unwrap_or_default().split(", ").collect();
            if (refused.status, &allowed) != (405, &taken) {
                differences.push(format!("{method} {address}: {} {allowed:?}", refused.status));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    stage.pulso.finish().await;
}

fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { ULID } else { part }).collect::<Vec<_>>().join("/")
}

fn has(item: &Value, method: &str) -> bool {
    item.get(method.to_lowercase()).is_some()
}

/// Whether a path with a placeholder takes this one too, by that method.
fn has_elsewhere(paths: &serde_json::Map<String, Value>, path: &str, method: &str) -> bool {
    let fits = |other: &str| {
        let (other, own) = (other.split('/'), path.split('/'));
        other.clone().count() == own.clone().count()
            && other.zip(own).all(|(other, own)| other == own || other.starts_with('{'))
    };
    paths.iter().any(|(other, item)| other != path && fits(other) && has(item, method))
}

#[tokio::test]
async fn every_id_in_a_path_is_taken_as_a_ulid_or_a_uuid_in_any_case() {
    let stage = Stage::set().await;
    let mut asked = 0;
    for row in ROWS.iter().filter(|row| row.operation.starts_with("GET ") && row.operation.contains("{id}")) {
        let caller = stage.allowed(row);
        let (_, path, query) = stage.scene.address(row);
        let expected = caller.get(&format!("{path}{query}")).await.expect(200);
        let id = path.split('/').find(|part| part.len() == 26).unwrap();
        let uuid = uuid::Uuid::from_u128(ulid::Ulid::from_string(id).unwrap().0).to_string();
        for form in [id.to_lowercase(), uuid.clone(), uuid.to_uppercase()] {
            let other = caller.get(&format!("{}{query}", path.replace(id, &form))).await.expect(200);
            // The timeline ends at the moment it is asked for.
            if !row.operation.ends_with("/timeline") {
                assert_eq!(other.body, expected.body, "{} {form}", row.operation);
            }
            asked += 1;
        }
        let (_, rest) = id.split_at(1);
        for nonsense in ["nonsense", rest, &format!("8{rest}"), &uuid.replace('-', "")] {
            let _ = caller.get(&format!("{}{query}", path.replace(id, nonsense))).await.expect(404);
        }
    }
    assert!(asked >= 24, "the table was not played: {asked}");
    stage.pulso.finish().await;
}
