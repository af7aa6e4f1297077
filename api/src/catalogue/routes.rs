//! The catalogue over HTTP, for everybody.

use crate::ids::ProductId;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::DateTime;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::{self, BestSeller, CategoryCount, Product};
use super::types::{Category, ProductCursor, ProductFilter, SearchText, Sort};
use super::{NO_PRODUCT, admin_routes};
use crate::http::error::{ApiError, FieldError, Problem};
use crate::http::extract::etag;
use crate::http::extract::page::{MAX_LIMIT, Page, PageQuery};
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// This domain's routes. `/products/{id}` comes last: it would match the others.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(list_products)
        .service(list_data_products)
        .service(list_categories)
        .service(list_best_sellers)
        .configure(admin_routes::configure)
        .service(get_product);
}

/// Which products are wanted, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProductQuery {
    /// Part of the title, the description or the SKU, whatever its case.
    q: Option<String>,
    /// The category, whole, whatever its case.
    category: Option<String>,
    /// `price`: the cheapest first. `-price`: the dearest first. `name`: by title. `newest` (the default): the newest
    /// first. Prices are compared as they are, whatever their currency.
    #[param(example = "-price")]
    sort: Option<String>,
}

impl ProductQuery {
    fn parse(self, page: &PageQuery) -> Result<(ProductFilter, Sort, Page<ProductCursor>), ApiError> {
        let mut errors = Vec::new();
        let text = given(self.q).map(SearchText::try_from).transpose();
        let text = text.unwrap_or_else(|error| fault(&mut errors, "q", error));
        let category = given(self.category).map(Category::try_from).transpose();
        let category = category.unwrap_or_else(|error| fault(&mut errors, "category", error));
        let sort = given(self.sort).map_or(Some(Sort::default()), |name| Sort::named(&name));
        if sort.is_none() {
            fault::<()>(&mut errors, "sort", "must be price, -price, name or newest");
        }
        let sort = sort.unwrap_or_default();
        match page.parse::<ProductCursor>() {
            Err(ApiError::Validation(more)) => errors.extend(more),
            Err(error) => return Err(error),
            Ok(page) if page.after.as_ref().is_some_and(|cursor| !cursor.fits(sort)) => {
                fault::<()>(&mut errors, "cursor", "is not a cursor of this list");
            }
            Ok(page) if errors.is_empty() => return Ok((ProductFilter { text, category }, sort, page)),
            Ok(_) => {}
        }
        Err(ApiError::Validation(errors))
    }
}

/// A parameter that says something.
fn given(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.trim().is_empty())
}

fn fault<T>(errors: &mut Vec<FieldError>, name: &str, detail: impl ToString) -> Option<T> {
    errors.push(FieldError::new(name, "invalid", detail));
    None
}

/// The products that can be had.
#[utoipa::path(tag = "catalogue", params(ProductQuery, PageQuery), responses(
    (status = 200, body = [Product], description = "A page of products", headers(
        ("Link" = String, description = "The next page, while there is one"), ("ETag" = String, description = "Of this page"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 422, body = Problem, description = "A bad filter, order, limit or cursor")))]
#[get("/products")]
async fn list_products(
    request: HttpRequest,
    state: Data<AppState>,
    query: Query<ProductQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    answer_list(&request, &state, query.into_inner(), &page).await
}

/// The older name of `/products`.
#[utoipa::path(tag = "catalogue", params(ProductQuery, PageQuery), responses(
    (status = 200, body = [Product], description = "As of /products"),
    (status = "4XX", body = Problem, description = "As of /products")))]
#[get("/data/products")]
async fn list_data_products(
    request: HttpRequest,
    state: Data<AppState>,
    query: Query<ProductQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    answer_list(&request, &state, query.into_inner(), &page).await
}

async fn answer_list(
    request: &HttpRequest,
    state: &AppState,
    query: ProductQuery,
    page: &PageQuery,
) -> Result<HttpResponse, ApiError> {
    let (filter, sort, page) = query.parse(page)?;
    let mut connection = state.db.get().await?;
    let after = page.after.as_ref();
    let products = store::list_products(&mut connection, &filter, sort, after, page.fetch_limit()).await?;
    page.respond_tagged(request, products, |product| store::cursor_of(product, sort))
}

/// The categories, by name, with the number of products in each.
#[utoipa::path(tag = "catalogue", responses(
    (status = 200, body = [CategoryCount], description = "All of them", headers(("ETag" = String, description = "Of the list"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/products/categories")]
async fn list_categories(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let categories = store::list_categories(&mut *state.db.get().await?).await?;
    etag::respond(&request, StatusCode::OK, &categories, DateTime::UNIX_EPOCH)
}

/// How many are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct BestSellerQuery {
    /// Most products wanted.
    #[param(minimum = 1, maximum = 1000, default = 10)]
    limit: Option<u16>,
}

/// The products that were ordered most, by units; what was cancelled does not count.
#[utoipa::path(tag = "catalogue", params(BestSellerQuery), responses(
    (status = 200, body = [BestSeller], description = "The most ordered first", headers(("ETag" = String, description = "Of the list"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 422, body = Problem, description = "A bad limit")))]
#[get("/products/best-sellers")]
async fn list_best_sellers(
    request: HttpRequest,
    state: Data<AppState>,
    query: Query<BestSellerQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = query.limit.unwrap_or(10);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::field("limit", "out_of_range", format!("must be between 1 and {MAX_LIMIT}")));
    }
    let best = store::list_best_sellers(&mut *state.db.get().await?, limit.into()).await?;
    etag::respond(&request, StatusCode::OK, &best, DateTime::UNIX_EPOCH)
}

/// A product that can be had.
#[utoipa::path(tag = "catalogue", params(("id" = String, Path, description = "The product's ULID or UUID")), responses(
    (status = 200, body = Product, description = "The product", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown, or retired")))]
#[get("/products/{id}")]
async fn get_product(
    request: HttpRequest,
    state: Data<AppState>,
    id: PathId<ProductId>,
) -> Result<HttpResponse, ApiError> {
    let product = store::find_product(&mut *state.db.get().await?, id.0).await?.ok_or(NO_PRODUCT)?;
    etag::respond(&request, StatusCode::OK, &product, product.updated_at)
}
