//! The OpenAPI 3.1 document, collected from the routes, and the pages that show it. No page loads anything from
//! elsewhere.

use actix_web::App;
use actix_web::web::ServiceConfig;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::routes::{self, API_PREFIX};

/// What the document says besides the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Pulso", description = "Listens to fleets of IoT devices. A 2xx on ingest means: confirmed to disk, and it will be exactly one row."),
    modifiers(&BearerToken),
    tags(
        (name = "ingest", description = "What devices send"),
        (name = "history", description = "What was sent, read back"),
        (name = "presence", description = "Who is there"),
        (name = "devices", description = "Devices, servers and their credentials"),
        (name = "accounts", description = "People and their sessions"),
    )
)]
pub struct BaseDocument;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The whole document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, document) = App::new()
        .into_utoipa_app()
        .openapi(BaseDocument::openapi())
        .service(utoipa_actix_web::scope(API_PREFIX).configure(routes::configure))
        .split_for_parts();
    document
}

/// `/docs` and `/api-docs/openapi.json`.
pub fn serve(services: &mut ServiceConfig, document: &utoipa::openapi::OpenApi) {
    services.service(SwaggerUi::new("/docs/{_:.*}").url("/api-docs/openapi.json", document.clone()));
}
