//! Orders over HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get, patch, post};
use pulso_shared::clock::Clock;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::idempotency::OrderRequest;
use super::store::OrderFilter;
use super::types::{OrderBody, OrderResponse, OrderStatus, OrderStatusBody};
use super::{checkout, commands, queries};
use crate::auth::caller::{AuthAdmin, AuthUser};
use crate::db::DbPool;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{AdminErrors, BodyErrors, NotFound, Unavailable, UserErrors, VersionErrors};
use crate::ids::OrderId;
use crate::rate_limit::HeavyDb;

/// Marks a response that was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(create_order).service(list_orders).service(get_order).service(cancel_order).service(update_order);
}

/// Which orders are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrderQuery {
    /// Those that have come this far.
    #[param(inline, value_type = Option<OrderStatus>)]
    status: Option<String>,
    /// Everybody's. For administrators.
    #[param(value_type = Option<bool>, default = false)]
    all: Option<String>,
}

impl OrderQuery {
    fn into_filter(self, caller: AuthUser) -> Result<OrderFilter, ApiError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let status = given(self.status).map(|word| {
            let detail = "must be pending, paid, shipped, delivered or cancelled";
            OrderStatus::named(&word).ok_or_else(|| ApiError::field("status", "invalid", detail))
        });
        let status = status.transpose()?;
        match given(self.all).as_deref() {
            None | Some("false") => Ok(OrderFilter { buyer: Some(caller.user_id), status }),
            Some("true") if caller.is_admin => Ok(OrderFilter { buyer: None, status }),
            Some("true") => Err(ApiError::Forbidden("Only an administrator can see everybody's orders.")),
            Some(_) => Err(ApiError::field("all", "invalid", "must be true or false")),
        }
    }
}

/// Orders what is in the cart, at today's prices, and empties it. All or nothing.
///
/// With an `Idempotency-Key`, sending the same request again is harmless: it orders nothing more, and gets the answer of
/// the first time. A key is known for 48 hours; a request that failed leaves none.
#[utoipa::path(tag = "orders", security(("bearer" = [])), request_body(content = OrderBody),
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]([ -~]{0,253}[!-~])?$", description = "1 to 255 printable characters, the caller's own")), responses(
    UserErrors, BodyErrors, Unavailable,
    (status = 201, body = OrderResponse, description = "Ordered", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its first version"),
        ("Idempotency-Replayed" = String, description = "`true` where an earlier request of this key made it"))),
    (status = 409, body = Problem, description = "The cart is empty or has several currencies, something in it cannot be had, or the total is another"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the key came with another body before")))]
#[post("/orders")]
async fn create_order(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    order: OrderRequest,
) -> Result<HttpResponse, ApiError> {
    let ordered = checkout::order(&db, &clock, caller.user_id, &order).await?;
    let answer = RawValue::from_string(ordered.answer).map_err(|error| ApiError::Internal(Box::new(error)))?;
    let mut response = etag::respond(&request, StatusCode::CREATED, &answer, ordered.created_at)?;
    if let Ok(location) = HeaderValue::from_str(&format!("{API_PREFIX}/orders/{}", ordered.order_id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    if ordered.is_replay {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// One's own orders, the newest first; for administrators, with `all=true`, everybody's.
#[utoipa::path(tag = "orders", security(("bearer" = [])), params(OrderQuery, PageQuery), responses(
    UserErrors, Unavailable,
    (status = 200, body = [OrderResponse], description = "A page of orders",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 403, body = Problem, description = "A device's token; or `all`, and not an administrator"),
    (status = 422, body = Problem, description = "A bad filter, limit or cursor")))]
#[get("/orders")]
async fn list_orders(
    request: HttpRequest,
    db: HeavyDb,
    caller: AuthUser,
    query: Query<OrderQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<OrderId>()?, query.into_inner().into_filter(caller)?);
    let orders = queries::list(&db, filter, &page).await?;
    Ok(page.respond(&request, orders, |order| order.id))
}

/// An order of one's own; for administrators, any.
#[utoipa::path(tag = "orders", security(("bearer" = [])), params(("id" = String, Path, description = "The order's ULID or UUID")), responses(
    UserErrors, NotFound, Unavailable,
    (status = 200, body = OrderResponse, description = "The order", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/orders/{id}")]
async fn get_order(
    request: HttpRequest,
    db: Data<DbPool>,
    caller: AuthUser,
    id: PathId<OrderId>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, &queries::find(&db, caller, id.0).await?)
}

/// Calls an order off, as long as it has not been shipped; its stock is given back. For its buyer, and for
/// administrators.
#[utoipa::path(tag = "orders", security(("bearer" = [])),
    params(("id" = String, Path, description = "The order's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    UserErrors, NotFound, VersionErrors, Unavailable,
    (status = 200, body = OrderResponse, description = "Cancelled"),
    (status = 409, body = Problem, description = "Shipped, delivered or cancelled already")))]
#[post("/orders/{id}/cancel")]
async fn cancel_order(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<OrderId>,
    if_match: IfMatch,
) -> Result<HttpResponse, ApiError> {
    let next = OrderStatus::Cancelled;
    respond(&request, &commands::change_status(&db, &clock, caller, id.0, next, &if_match).await?)
}

/// Brings an order to its next status: pending, paid, shipped, delivered; or cancels it. For administrators.
///
/// Shipping registers every device in it for the buyer, who finds them in `GET /devices` and gives each a secret with
/// `POST /devices/{id}/credentials`.
#[utoipa::path(tag = "orders", security(("bearer" = [])), request_body(content = OrderStatusBody),
    params(("id" = String, Path, description = "The order's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    AdminErrors, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = OrderResponse, description = "Changed"),
    (status = 404, body = Problem, description = "Unknown"),
    (status = 409, body = Problem, description = "Not the next step; or devices to be shipped to an account that is gone"),
    (status = 422, body = Problem, description = "Not a status")))]
#[patch("/orders/{id}")]
async fn update_order(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthAdmin,
    id: PathId<OrderId>,
    if_match: IfMatch,
    body: Json<OrderStatusBody>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, &commands::change_status(&db, &clock, caller.0, id.0, body.0.status, &if_match).await?)
}

fn respond(request: &HttpRequest, order: &OrderResponse) -> Result<HttpResponse, ApiError> {
    etag::respond(request, StatusCode::OK, order, order.updated_at)
}
