//! The table of contents: a line a domain. Ingest comes first, because the router tries routes in order.

use actix_web::{HttpResponse, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::error::ApiError;
use crate::ingest;

/// Where the documented form of every route lives.
pub const API_PREFIX: &str = "/api/v1";

/// Puts every route where clients look for it: under `/api/v1`, and again at the root for older clients.
pub fn serve(services: &mut web::ServiceConfig) {
    services.service(web::scope(API_PREFIX).configure(|scope| configure(&mut ServiceConfig::new(scope))));
    configure(&mut ServiceConfig::new(services));
    services.default_service(web::to(unknown_address));
}

async fn unknown_address() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("address"))
}

/// Every route of the API.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    ingest::routes::configure(routes);
}
