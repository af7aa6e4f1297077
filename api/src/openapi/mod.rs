//! The OpenAPI 3.1 document, collected from the routes, and the pages that show it. No page loads anything from
//! elsewhere.
//!
//! ```text
//!  routes ─▶ document ─┬▶ /api-docs/openapi.json ─▶ /docs, /redoc   (pages; their files are in the binary: asset)
//!                      └▶ addresses: which methods a path takes     (405 and Allow)
//! ```

mod addresses;
mod asset;
#[cfg(test)]
mod completeness_tests;
mod fallback;
mod nullability;
mod pages;

use actix_web::App;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;

pub use fallback::unmatched;
pub use pages::serve;

use crate::http::API_PREFIX;
use crate::http::error::Problem;
use crate::http::responses::{PROBLEM_TYPE, problem};
use crate::routes;

/// What the document says besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Pulso", description = "Listens to fleets of IoT devices. A 2xx on ingest means: confirmed to disk, and it will be in exactly one row.\n\nEvery route also answers without `/api/v1` in front, and with a `/` behind. Every error has one shape: `Problem`."),
    modifiers(&BearerToken),
    components(schemas(Problem)),
    tags(
        (name = "ingest", description = "What devices send"),
        (name = "history", description = "What was sent, read back"),
        (name = "presence", description = "Who is there"),
        (name = "devices", description = "Devices, servers and their credentials"),
        (name = "accounts", description = "People and their sessions"),
        (name = "tasks", description = "What people have to do"),
        (name = "cache", description = "Small values kept for a while, each user's own"),
        (name = "operations", description = "The pipeline, its dead letters and the audit log, for administrators"),
        (name = "catalogue", description = "Equipment for the fleet"),
        (name = "cart", description = "What a user means to order"),
        (name = "orders", description = "What was ordered"),
    )
)]
struct BaseDocument;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of a person (`/auth/login`) or of a device (`/auth/device`)."));
        let scheme = SecurityScheme::Http(scheme.build());
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

pub fn document() -> utoipa::openapi::OpenApi {
    let (_, mut document) = App::new()
        .into_utoipa_app()
        .openapi(BaseDocument::openapi())
        .service(utoipa_actix_web::scope(API_PREFIX).configure(routes::configure))
        .split_for_parts();
    document.paths.paths.values_mut().flat_map(operations).for_each(complete);
    document
}

/// The operations at one address.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Says of an operation what is true of all.
fn complete(operation: &mut Operation) {
    complete_errors(operation);
    nullability::forbid_null(operation);
}

/// Says of an operation's errors what is true of all: their media type, and their shape where they are not listed.
fn complete_errors(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(response), true) = (response, status.starts_with(['4', '5'])) {
            let content = std::mem::take(&mut response.content);
            response.content = content.into_values().map(|body| (PROBLEM_TYPE.to_owned(), body)).collect();
        }
    }
    operation.responses.responses.entry("default".into()).or_insert_with(|| problem("Any other error").into());
}

#[cfg(test)]
mod tests {
    use super::document;

    /// A change here is a change of the contract: look at it, then `INSTA_UPDATE=always cargo test -p pulso-api`.
    #[test]
    fn the_document_is_what_was_agreed() {
        insta::assert_snapshot!(document().to_pretty_json().unwrap());
    }

    #[test]
    fn every_route_is_documented_under_the_prefix_and_says_what_it_does() {
        let document = document();
        assert!(!document.paths.paths.is_empty());
        for (path, item) in document.paths.paths {
            assert!(path.starts_with("/api/v1/"), "{path}");
            let mut item = item;
            for operation in super::operations(&mut item) {
                assert!(operation.summary.is_some() && operation.tags.is_some(), "{path}");
            }
        }
    }
}
