//! The catalogue over HTTP, for administrators.

use crate::ids::ProductId;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, post, put};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::ProductBody;
use super::feed::{Feed, FeedBody};
use super::import::{self, ImportResponse};
use super::lifecycle;
use super::store::Product;
use super::types::ProductSettings;
use crate::auth::caller::AuthAdmin;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// The routes that change the catalogue.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(create_product).service(import_products).service(replace_product).service(retire_product);
}

/// Puts a product into the catalogue. For administrators.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = ProductBody), responses(
    (status = 201, body = Product, description = "Made", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 409, body = Problem, description = "Another product has this SKU"),
    (status = 422, body = Problem, description = "Something in it is not valid")))]
#[post("/products")]
async fn create_product(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthAdmin,
    body: Json<ProductSettings>,
) -> Result<HttpResponse, ApiError> {
    let product = lifecycle::create(&state, caller.0.user_id, &body.0).await?;
    let mut response = etag::respond(&request, StatusCode::CREATED, &product, product.updated_at)?;
    if let Ok(location) = HeaderValue::from_str(&format!("{API_PREFIX}/products/{}", product.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Takes over a feed of products, in the shape of dummyjson's `/products`. For administrators.
///
/// Without a body the feed is fetched from `CATALOGUE_URL`. A product is known again by its id in the feed: what the
/// feed says as before stays as it is here, whatever was sold or edited meanwhile; what the feed says anew is taken
/// over. Items that are not valid are named by their place; the others are imported.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = FeedBody), responses(
    (status = 200, body = ImportResponse, description = "What became of the items"),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 422, body = Problem, description = "No item is valid, or too many; or no body, and no CATALOGUE_URL"),
    (status = 503, body = Problem, description = "The feed cannot be fetched")))]
#[post("/products/import")]
async fn import_products(state: Data<AppState>, caller: AuthAdmin, body: Json<Feed>) -> Result<HttpResponse, ApiError> {
    let imported = import::import(&state, caller.0.user_id, body.0).await?;
    Ok(HttpResponse::Ok().json(imported))
}

/// Describes a product anew: what is left out is cleared. For administrators. Orders change a product's version as
/// well, since they take from its stock: with If-Match, nothing that was sold meanwhile is written over.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = ProductBody),
    params(("id" = String, Path, description = "The product's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = Product, description = "Changed"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 404, body = Problem, description = "Unknown, or retired"),
    (status = 409, body = Problem, description = "Another product has this SKU"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match"),
    (status = 422, body = Problem, description = "Something in it is not valid")))]
#[put("/products/{id}")]
async fn replace_product(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthAdmin,
    id: PathId<ProductId>,
    if_match: IfMatch,
    body: Json<ProductSettings>,
) -> Result<HttpResponse, ApiError> {
    let product = lifecycle::replace(&state, caller.0.user_id, id.0, &if_match, &body.0).await?;
    etag::respond(&request, StatusCode::OK, &product, product.updated_at)
}

/// Retires a product: it is gone from the catalogue, and stays in the orders it is in. For administrators.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])),
    params(("id" = String, Path, description = "The product's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to retire")), responses(
    (status = 204, description = "Retired"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 404, body = Problem, description = "Unknown, or retired already"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match")))]
#[delete("/products/{id}")]
async fn retire_product(
    state: Data<AppState>,
    caller: AuthAdmin,
    id: PathId<ProductId>,
    if_match: IfMatch,
) -> Result<HttpResponse, ApiError> {
    lifecycle::retire(&state, caller.0.user_id, id.0, &if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
