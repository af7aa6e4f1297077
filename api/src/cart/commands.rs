//! Changes of a cart.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;

use super::types::{CartResponse, MAX_LINES, Quantity};
use super::{queries, store};
use crate::accounts;
use crate::auth::caller::ACCOUNT_GONE;
use crate::catalogue::{self, NO_PRODUCT};
use crate::db::DbPool;
use crate::http::error::{ApiError, FieldError};
use crate::ids::{ProductId, UserId};

const NOT_IN_CART: ApiError = ApiError::NotFound("product in the cart");
const FULL: ApiError = ApiError::Conflict("The cart is full: at most 100 products fit in.");

/// Says how many of a product are wanted.
pub async fn put(
    db: &DbPool,
    clock: &Clock,
    user: UserId,
    product: ProductId,
    quantity: Quantity,
) -> Result<CartResponse, ApiError> {
    let now = clock.now();
    let mut connection = db.get().await?;
    let cart = connection.transaction(async |connection| {
        lock(connection, user, now).await?;
        let product = catalogue::find_product(connection, product).await?.ok_or(NO_PRODUCT)?;
        if quantity.get() > product.stock {
            let detail = format!("must be at most {}: there are no more", product.stock);
            return Err(ApiError::Conflicts(vec![FieldError::new("quantity", "insufficient_stock", detail)]));
        }
        store::upsert_item(connection, user, product.id, quantity.get(), now).await?;
        if store::count_lines(connection, user).await? > MAX_LINES {
            return Err(FULL);
        }
        Ok(queries::show(connection, user).await?)
    });
    cart.await
}

/// Takes a product out.
pub async fn remove(db: &DbPool, clock: &Clock, user: UserId, product: ProductId) -> Result<(), ApiError> {
    let now = clock.now();
    let mut connection = db.get().await?;
    let removed = connection.transaction(async |connection| {
        lock(connection, user, now).await?;
        if store::delete_item(connection, user, product).await? { Ok(()) } else { Err(NOT_IN_CART) }
    });
    removed.await
}

/// Takes everything out.
pub async fn clear(db: &DbPool, clock: &Clock, user: UserId) -> Result<(), ApiError> {
    let now = clock.now();
    let mut connection = db.get().await?;
    let cleared = connection.transaction(async |connection| {
        lock(connection, user, now).await?;
        Ok(store::empty(connection, user).await?)
    });
    cleared.await
}

/// Locks the account, then its cart: deleting an account locks in the same order.
async fn lock(connection: &mut AsyncPgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), ApiError> {
    if !accounts::keep(connection, user).await? {
        return Err(ACCOUNT_GONE);
    }
    Ok(store::lock(connection, user, now).await?)
}
