//! The cart over HTTP.

use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, put};
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::types::{CartItemBody, CartResponse};
use super::{commands, queries};
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::extract::path::PathId;
use crate::http::responses::{BodyErrors, Unavailable, UserErrors};
use crate::ids::ProductId;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_cart).service(put_cart_item).service(delete_cart_item).service(clear_cart);
}

/// One's own cart, with today's prices and what can be had of it. Nothing in it is set aside.
#[utoipa::path(tag = "cart", security(("bearer" = [])), responses(
    UserErrors, Unavailable,
    (status = 200, body = CartResponse, description = "The cart; an empty one where nothing was put in")))]
#[get("/cart")]
async fn get_cart(db: Data<DbPool>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(queries::show(&mut *db.get().await?, caller.user_id).await?))
}

/// Says how many of a product are wanted, whether or not it is in the cart already.
#[utoipa::path(tag = "cart", security(("bearer" = [])), request_body(content = CartItemBody),
    params(("id" = String, Path, description = "The product's ULID or UUID")), responses(
    UserErrors, BodyErrors, Unavailable,
    (status = 200, body = CartResponse, description = "The cart as it is then"),
    (status = 404, body = Problem, description = "No such product, or a retired one"),
    (status = 409, body = Problem, description = "There are not so many, or the cart is full (100 products)"),
    (status = 422, body = Problem, description = "Not a whole number from 1 to 10,000")))]
#[put("/cart/items/{id}")]
async fn put_cart_item(
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<ProductId>,
    body: Json<CartItemBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(commands::put(&db, &clock, caller.user_id, id.0, body.0.quantity).await?))
}

/// Takes a product out of the cart.
#[utoipa::path(tag = "cart", security(("bearer" = [])),
    params(("id" = String, Path, description = "The product's ULID or UUID")), responses(
    UserErrors, Unavailable,
    (status = 204, description = "Taken out"),
    (status = 404, body = Problem, description = "It is not in the cart")))]
#[delete("/cart/items/{id}")]
async fn delete_cart_item(
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<ProductId>,
) -> Result<HttpResponse, ApiError> {
    commands::remove(&db, &clock, caller.user_id, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes everything out of the cart.
#[utoipa::path(tag = "cart", security(("bearer" = [])), responses(
    UserErrors, Unavailable,
    (status = 204, description = "Empty")))]
#[delete("/cart")]
async fn clear_cart(db: Data<DbPool>, clock: Data<Clock>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    commands::clear(&db, &clock, caller.user_id).await?;
    Ok(HttpResponse::NoContent().finish())
}
