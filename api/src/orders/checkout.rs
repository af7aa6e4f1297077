//! An order made of a cart, in one transaction.
//!
//! ```text
//!  account kept ─▶ cart locked ─▶ key known? ─▶ products locked, by id ─▶ all in stock, in one currency, at the total?
//!       ─▶ stock taken, order and lines written with today's prices, cart emptied, response stored under the key
//! ```

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;

use super::idempotency::{KeyedRequest, OrderRequest};
use super::queries;
use super::store::{self, ItemRow, idempotency_keys};
use super::types::{OrderBody, OrderStatus, Role};
use crate::audit::{self, AuditEvent};
use crate::auth::caller::ACCOUNT_GONE;
use crate::catalogue::{self, LockedProduct};
use crate::db::DbPool;
use crate::http::error::{ApiError, FieldError, violates};
use crate::ids::{OrderId, ProductId, UserId};
use crate::{accounts, cart};

/// Most devices one order brings: they are registered in the transaction that ships it.
const MAX_DEVICES: i64 = 10_000;

const CART_EMPTY: ApiError = ApiError::Conflict("The cart is empty.");
const CURRENCIES_MIXED: ApiError = ApiError::Conflict("An order has one currency; what is in the cart has several.");
const TOO_MANY_DEVICES: ApiError = ApiError::Conflict("An order brings at most 10,000 devices.");

/// An order, placed now or by an earlier request of the same key.
pub struct Checkout {
    pub order_id: OrderId,
    /// The response body, the same each time.
    pub answer: String,
    pub created_at: DateTime<Utc>,
    pub is_replay: bool,
}

/// Orders what is in a user's cart.
pub async fn order(db: &DbPool, clock: &Clock, buyer: UserId, request: &OrderRequest) -> Result<Checkout, ApiError> {
    let mut connection = db.get().await?;
    let ordered = connection.transaction(async |connection| {
        if !accounts::keep(connection, buyer).await? {
            return Err(ACCOUNT_GONE);
        }
        // Read the clock after taking the lock, so a buyer's orders are timestamped in commit order.
        cart::lock(connection, buyer, clock.now()).await?;
        let now = clock.now();
        if let Some(replay) = find_replay(connection, buyer, request.keyed.as_ref(), now).await? {
            return Ok(replay);
        }
        make(connection, buyer, request, now).await
    });
    ordered.await
}

async fn find_replay(
    connection: &mut AsyncPgConnection,
    buyer: UserId,
    keyed: Option<&KeyedRequest>,
    now: DateTime<Utc>,
) -> Result<Option<Checkout>, ApiError> {
    let Some(keyed) = keyed else {
        return Ok(None);
    };
    let Some(answered) = idempotency_keys::find_answered(connection, buyer, keyed, now).await? else {
        return Ok(None);
    };
    if answered.body_digest != keyed.body_digest {
        return Err(ApiError::field("Idempotency-Key", "reused", "was sent with another body before"));
    }
    let idempotency_keys::AnsweredRow { order_id, answer, created_at, .. } = answered;
    Ok(Some(Checkout { order_id, answer, created_at, is_replay: true }))
}

async fn make(
    connection: &mut AsyncPgConnection,
    buyer: UserId,
    request: &OrderRequest,
    now: DateTime<Utc>,
) -> Result<Checkout, ApiError> {
    let order_id = OrderId::generate();
    let wanted = cart::list_wanted(connection, buyer).await?;
    let ids: Vec<_> = wanted.iter().map(|(product, _)| *product).collect();
    let products = catalogue::lock_products(connection, &ids).await?;
    let items = freeze(order_id, &wanted, &products)?;
    let (currency, total_minor) = settle(&products, &items, &request.body)?;

    let taken: Vec<_> = items.iter().map(|item| (item.product_id, -item.quantity)).collect();
    catalogue::move_stock(connection, &taken, now).await.map_err(stock_error)?;
    let order = store::insert_order(connection, order_id, buyer, &currency, total_minor, now).await?;
    store::insert_items(connection, &items).await?;
    store::insert_status_change(connection, order_id, OrderStatus::Pending, Role::Buyer, now).await?;
    cart::empty(connection, buyer).await?;

    let response = queries::show_one(connection, order).await?;
    let after = serde_json::to_value(&response).ok();
    let event =
        AuditEvent { actor: buyer, action: "order.created", subject: order_id.as_uuid().into(), before: None, after };
    audit::record(connection, now, event).await?;
    let answer = serde_json::to_string(&response).map_err(|error| ApiError::Internal(Box::new(error)))?;
    if let Some(keyed) = &request.keyed {
        idempotency_keys::insert_answered(connection, buyer, keyed, order_id, &answer, now).await?;
    }
    Ok(Checkout { order_id, answer, created_at: now, is_replay: false })
}

/// The lines, as they are sold: the products as they are at this moment, which the caller has locked.
fn freeze(
    order_id: OrderId,
    wanted: &[(ProductId, i32)],
    products: &[LockedProduct],
) -> Result<Vec<ItemRow>, ApiError> {
    let by_id: HashMap<_, _> = products.iter().map(|product| (product.id, product)).collect();
    let (mut items, mut obstacles) = (Vec::new(), Vec::new());
    for (product_id, quantity) in wanted.iter().copied() {
        match by_id.get(&product_id).filter(|product| product.retired_at.is_none()) {
            None => obstacles.push(obstacle(product_id, "retired", "can no longer be had; take it out of the cart")),
            Some(product) if product.stock < quantity => {
                let detail = format!("{quantity} are wanted, and there are {}", product.stock);
                obstacles.push(obstacle(product_id, "insufficient_stock", detail));
            }
            Some(product) => items.push(ItemRow {
                order_id,
                product_id,
                title: product.title.clone(),
                sku: product.sku.clone(),
                is_device: product.is_device,
                unit_price_minor: product.price_minor,
                quantity,
            }),
        }
    }
    if obstacles.is_empty() { Ok(items) } else { Err(ApiError::Conflicts(obstacles)) }
}

fn obstacle(product: ProductId, code: &'static str, detail: impl ToString) -> FieldError {
    FieldError::new(&format!("items/{product}"), code, detail)
}

/// The order's currency and total, where it has one of each and the buyer was shown no other.
fn settle(products: &[LockedProduct], items: &[ItemRow], body: &OrderBody) -> Result<(String, i64), ApiError> {
    let currency = &products.first().ok_or(CART_EMPTY)?.currency;
    if products.iter().any(|product| product.currency != *currency) {
        return Err(CURRENCIES_MIXED);
    }
    let devices: i64 = items.iter().filter(|item| item.is_device).map(|item| i64::from(item.quantity)).sum();
    if devices > MAX_DEVICES {
        return Err(TOO_MANY_DEVICES);
    }
    // `cart::types` has a test that the greatest total fits.
    let line = |item: &ItemRow| item.unit_price_minor.saturating_mul(item.quantity.into());
    let total_minor = items.iter().map(line).fold(0_i64, i64::saturating_add);
    if body.total_minor.is_some_and(|shown| shown != total_minor) {
        let detail = format!("is not what the cart comes to by now, which is {total_minor}");
        return Err(ApiError::Conflicts(vec![FieldError::new("total_minor", "changed", detail)]));
    }
    Ok((currency.clone(), total_minor))
}

/// The products are locked and were looked at; should they not have been, the database still sells nothing twice.
fn stock_error(error: DieselError) -> ApiError {
    if violates(&error, "products_stock_left") {
        ApiError::Conflict("There are no longer as many as the cart wants.")
    } else {
        error.into()
    }
}
