//! The catalogue over HTTP: everybody reads it, administrators change it.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use chrono::DateTime;
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::import::feed::Feed;
use super::import::source::FeedSource;
use super::import::{self, ImportResponse};
use super::list_query::{BestSellerQuery, ProductQuery};
use super::store::{BestSeller, CategoryCount, Product};
use super::types::ProductSettings;
use super::{commands, queries};
use crate::auth::caller::AuthAdmin;
use crate::db::DbPool;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{AdminErrors, BodyErrors, Unavailable, VersionErrors};
use crate::ids::ProductId;
use crate::rate_limit::HeavyDb;

/// This domain's routes. `/products/{id}` comes last: it would match the others.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(list_products)
        .service(list_data_products)
        .service(list_categories)
        .service(list_best_sellers)
        .service(create_product)
        .service(import_products)
        .service(replace_product)
        .service(retire_product)
        .service(get_product);
}

/// The products that can be had.
#[utoipa::path(tag = "catalogue", params(ProductQuery, PageQuery), responses(
    Unavailable,
    (status = 200, body = [Product], description = "A page of products", headers(
        ("Link" = String, description = "The next page, while there is one"), ("ETag" = String, description = "Of this page"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 422, body = Problem, description = "A bad filter, order, limit or cursor")))]
#[get("/products")]
async fn list_products(
    request: HttpRequest,
    db: HeavyDb,
    query: Query<ProductQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    respond_list(&request, &db, &query, &page).await
}

/// The older name of `/products`.
#[utoipa::path(tag = "catalogue", params(ProductQuery, PageQuery), responses(
    Unavailable,
    (status = 200, body = [Product], description = "As of /products"),
    (status = 422, body = Problem, description = "As of /products")))]
#[get("/data/products")]
async fn list_data_products(
    request: HttpRequest,
    db: HeavyDb,
    query: Query<ProductQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    respond_list(&request, &db, &query, &page).await
}

async fn respond_list(
    request: &HttpRequest,
    db: &HeavyDb,
    query: &ProductQuery,
    page: &PageQuery,
) -> Result<HttpResponse, ApiError> {
    let (filter, sort, page) = query.parse(page)?;
    let products = queries::list(db, &filter, sort, &page).await?;
    page.respond_tagged(request, products, |product| queries::cursor_behind(product, sort))
}

/// The categories, by name, with the number of products in each.
#[utoipa::path(tag = "catalogue", responses(
    Unavailable,
    (status = 200, body = [CategoryCount], description = "All of them", headers(("ETag" = String, description = "Of the list"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/products/categories")]
async fn list_categories(request: HttpRequest, db: HeavyDb) -> Result<HttpResponse, ApiError> {
    let categories = queries::list_categories(&db).await?;
    etag::respond(&request, StatusCode::OK, &categories, DateTime::UNIX_EPOCH)
}

/// The products that were ordered most, by units; what was cancelled does not count.
#[utoipa::path(tag = "catalogue", params(BestSellerQuery), responses(
    Unavailable,
    (status = 200, body = [BestSeller], description = "The most ordered first", headers(("ETag" = String, description = "Of the list"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 422, body = Problem, description = "A bad limit")))]
#[get("/products/best-sellers")]
async fn list_best_sellers(
    request: HttpRequest,
    db: HeavyDb,
    query: Query<BestSellerQuery>,
) -> Result<HttpResponse, ApiError> {
    let best = queries::list_best_sellers(&db, query.parse()?).await?;
    etag::respond(&request, StatusCode::OK, &best, DateTime::UNIX_EPOCH)
}

/// A product that can be had.
#[utoipa::path(tag = "catalogue", params(("id" = String, Path, description = "The product's ULID or UUID")), responses(
    Unavailable,
    (status = 200, body = Product, description = "The product", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown, or retired")))]
#[get("/products/{id}")]
async fn get_product(request: HttpRequest, db: Data<DbPool>, id: PathId<ProductId>) -> Result<HttpResponse, ApiError> {
    let product = queries::find(&db, id.0).await?;
    etag::respond(&request, StatusCode::OK, &product, product.updated_at)
}

/// Puts a product into the catalogue. For administrators.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = ProductSettings), responses(
    AdminErrors, BodyErrors, Unavailable,
    (status = 201, body = Product, description = "Made", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 409, body = Problem, description = "Another product has this SKU")))]
#[post("/products")]
async fn create_product(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthAdmin,
    body: Json<ProductSettings>,
) -> Result<HttpResponse, ApiError> {
    let product = commands::create(&db, &clock, caller.0.user_id, &body.0).await?;
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
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = Option<Feed>), responses(
    AdminErrors, BodyErrors,
    (status = 200, body = ImportResponse, description = "What became of the items"),
    (status = 422, body = Problem, description = "No item is valid, or too many; or no body, and no CATALOGUE_URL"),
    (status = 503, body = Problem, description = "The feed cannot be fetched")))]
#[post("/products/import")]
async fn import_products(
    db: Data<DbPool>,
    clock: Data<Clock>,
    source: Data<FeedSource>,
    caller: AuthAdmin,
    body: Json<Feed>,
) -> Result<HttpResponse, ApiError> {
    let imported = import::import(&db, &clock, &source, caller.0.user_id, body.0).await?;
    Ok(HttpResponse::Ok().json(imported))
}

/// Describes a product anew: what is left out is cleared. For administrators. Orders change a product's version as
/// well, since they take from its stock: with If-Match, nothing that was sold meanwhile is written over. Without it,
/// the stock has to be what it is now.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])), request_body(content = ProductSettings),
    params(("id" = String, Path, description = "The product's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    AdminErrors, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = Product, description = "Changed"),
    (status = 404, body = Problem, description = "Unknown, or retired"),
    (status = 409, body = Problem, description = "Another product has this SKU"),
    (status = 428, body = Problem, description = "Another stock than now, without If-Match")))]
#[put("/products/{id}")]
async fn replace_product(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthAdmin,
    id: PathId<ProductId>,
    if_match: IfMatch,
    body: Json<ProductSettings>,
) -> Result<HttpResponse, ApiError> {
    let product = commands::replace(&db, &clock, caller.0.user_id, id.0, &if_match, &body.0).await?;
    etag::respond(&request, StatusCode::OK, &product, product.updated_at)
}

/// Retires a product: it is gone from the catalogue, and stays in the orders it is in. For administrators.
#[utoipa::path(tag = "catalogue", security(("bearer" = [])),
    params(("id" = String, Path, description = "The product's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to retire")), responses(
    AdminErrors, VersionErrors, Unavailable,
    (status = 204, description = "Retired"),
    (status = 404, body = Problem, description = "Unknown, or retired already")))]
#[delete("/products/{id}")]
async fn retire_product(
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthAdmin,
    id: PathId<ProductId>,
    if_match: IfMatch,
) -> Result<HttpResponse, ApiError> {
    commands::retire(&db, &clock, caller.0.user_id, id.0, &if_match).await?;
    Ok(HttpResponse::NoContent().finish())
}
