//! Tests only: that the document says all there is to say of each operation, and that the router has no route which the
//! document lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use actix_web::dev::ResourceDef;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use super::document;
use crate::http::API_PREFIX;
use crate::routes::configure;

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Every operation of the document: method, path without the prefix, and what is said of it.
fn operations() -> Vec<(Method, String, Value)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method.as_str().to_lowercase()) {
                operations.push((method, path.strip_prefix(API_PREFIX).unwrap().to_owned(), operation.clone()));
            }
        }
    }
    operations
}

#[actix_web::test]
async fn an_address_takes_the_documented_methods_and_no_other() {
    let routes = |services: &mut web::ServiceConfig| configure(&mut ServiceConfig::new(services));
    let unmatched = || async { HttpResponse::ImATeapot().finish() };
    let app = init_service(App::new().configure(routes).default_service(web::to(unmatched))).await;
    let documented: Vec<_> = operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    assert!(documented.len() > 30, "the document was not read");
    for path in documented.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let address = path.replace('{', "01JD3ZK8M4T0Q2V6X9Y7B5C1RA").replace('}', "");
        for method in METHODS {
            // `/devices/export` is also a `/devices/{id}`: any of both may answer it.
            let is_documented = documented
                .iter()
                .any(|(known, path)| *known == method && ResourceDef::new(path.as_str()).is_match(&address));
            let asked = TestRequest::with_uri(&address).method(method.clone()).to_request();
            let status = call_service(&app, asked).await.status();
            let is_answered = ![StatusCode::IM_A_TEAPOT, StatusCode::METHOD_NOT_ALLOWED].contains(&status);
            assert_eq!(is_answered, is_documented, "{method} {path}");
        }
    }
}

/// `service` takes only handlers that the document collects; these would register a route behind its back.
const UNDOCUMENTED: [&str; 6] =
    ["web::resource(", "web::scope(", "web::route(", ".route(", ".external_resource(", ".default_service("];

#[test]
fn no_domain_registers_a_route_that_the_document_does_not_collect() {
    // Files beside the domains compose: `routes.rs` puts all of them under the prefix and at the root.
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let domains: Vec<_> = folders.flat_map(|folder| routes_files(&folder)).collect();
    assert!(domains.len() >= 10, "the domains were not found: {domains:?}");
    for file in domains {
        let source = std::fs::read_to_string(&file).unwrap();
        assert_eq!(UNDOCUMENTED.iter().find(|call| source.contains(**call)), None, "{}", file.display());
    }
}

/// The files in which domains register their routes: below a folder of their own, with a `configure`.
fn routes_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let is_source = entry.extension().is_some_and(|extension| extension == "rs");
        let uses_collector = |path: &Path| {
            std::fs::read_to_string(path).unwrap().contains("use utoipa_actix_web::service_config::ServiceConfig;")
        };
        if entry.is_dir() {
            found.extend(routes_files(&entry));
        } else if is_source && !entry.ends_with(file!().rsplit('/').next().unwrap()) && uses_collector(&entry) {
            found.push(entry);
        }
    }
    found
}

#[test]
fn every_operation_says_what_it_does_takes_and_answers() {
    let mut missing = Vec::new();
    for (method, path, operation) in operations() {
        let mut need = |there: bool, what: &str| {
            if !there {
                missing.push(format!("{method} {path}: {what}"));
            }
        };
        need(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "a summary");
        need(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "one tag");
        let responses = operation["responses"].as_object().unwrap();
        need(responses.contains_key("default"), "its errors' shape");
        let successes: Vec<_> = responses.iter().filter(|(status, _)| status.starts_with('2')).collect();
        need(!successes.is_empty(), "a 2xx");
        for (status, response) in successes {
            let content = response["content"].as_object();
            let has_schema = content.is_some_and(|content| content.values().all(|body| body.get("schema").is_some()));
            need(has_schema || status == "204", "a body's schema in every 2xx but 204");
        }
        let is_listed = |status: &str| responses.contains_key(status) || responses.contains_key("4XX");
        let takes_a_token = operation.get("security").is_some_and(|security| security != &Value::Array(Vec::new()));
        need(!takes_a_token || is_listed("401"), "401");
        need(!path.contains("{id}") || is_listed("404"), "404");
        need(operation.get("requestBody").is_none() || is_listed("422"), "422");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"].as_str().is_some_and(|text| !text.is_empty());
            need(described, &format!("a description of {}", parameter["name"]));
        }
        for placeholder in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let is_named =
                parameters.clone().any(|parameter| parameter["in"] == "path" && parameter["name"] == placeholder);
            need(is_named, &format!("the path's {placeholder}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Whether a schema, or what it refers to, shows an example: of the whole, or of a property at least.
fn has_example(schema: &Value, schemas: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return has_example(&schemas[name], schemas);
    }
    let on_its_own = ["example", "examples", "default", "enum", "const"].iter().any(|key| schema.get(key).is_some());
    let of_parts = ["allOf", "oneOf", "anyOf"].iter().filter_map(|key| schema[key].as_array());
    let mut of_parts = of_parts.flatten().filter(|part| part["type"] != "null").peekable();
    let by_parts = of_parts.peek().is_some() && of_parts.all(|part| has_example(part, schemas));
    let by_properties = schema["properties"]
        .as_object()
        .is_some_and(|properties| properties.values().any(|property| has_example(property, schemas)));
    on_its_own || by_parts || by_properties || (schema["type"] == "array" && has_example(&schema["items"], schemas))
}

#[test]
fn every_body_has_an_example() {
    let document = serde_json::to_value(document()).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut missing = BTreeSet::new();
    for (method, path, operation) in operations() {
        let answers = operation["responses"].as_object().unwrap().iter();
        let answers = answers.filter(|(status, _)| status.starts_with('2')).map(|(_, response)| &response["content"]);
        for content in answers.chain([&operation["requestBody"]["content"]]) {
            for body in content.as_object().into_iter().flatten().map(|(_, body)| body) {
                let shown = body.get("example").is_some() || body.get("examples").is_some();
                if !shown && !has_example(&body["schema"], schemas) {
                    missing.insert(format!("{method} {path}: {}", body["schema"]));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Two types of one name would be one schema, that of whichever is collected last, and the other's responses would lie.
#[test]
fn every_schema_has_a_name_of_its_own() {
    let mut names = Vec::new();
    for file in source_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let source = std::fs::read_to_string(&file).unwrap();
        // Not its tests: what they describe is in no document.
        let source = source.split("#[cfg(test)]").next().unwrap();
        names.extend(source.split("\n\n").filter(|item| describes_itself(item)).filter_map(schema_name));
    }
    assert!(names.len() > 60, "the types were not found: {names:?}");
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = names.into_iter().filter(|name| !seen.insert(name.clone())).collect();
    assert!(twice.is_empty(), "two types are called so; give one `#[schema(as = …)]`: {twice:?}");
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| source_files(folder))).collect()
}

fn describes_itself(item: &str) -> bool {
    item.lines().any(|line| line.starts_with("body! {") || (line.starts_with("#[derive(") && line.contains("ToSchema")))
}

/// The name of the type that an item describes, or the one it wants to be known by.
fn schema_name(item: &str) -> Option<String> {
    let word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
    let other = item
        .lines()
        .filter(|line| line.trim().starts_with("#[schema(as = "))
        .find_map(|line| line.split("as = ").nth(1));
    let own = item
        .lines()
        .find_map(|line| line.split_once("struct ").or_else(|| line.split_once("enum ")).map(|(_, name)| name));
    other.or(own).map(word)
}
