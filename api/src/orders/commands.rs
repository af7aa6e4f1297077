//! Status changes of an order, each in one transaction with its effects.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;
use serde_json::json;

use super::queries;
use super::store::{self, OrderRow};
use super::types::{NO_ORDER, OrderResponse, OrderStatus, Role};
use crate::audit::{self, AuditEvent};
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::etag::IfMatch;
use crate::ids::{OrderId, UserId};
use crate::{accounts, catalogue, devices};

const WRONG_STEP: ApiError = ApiError::Conflict(
    "An order goes from pending to paid to shipped to delivered, and can be cancelled until it is shipped.",
);
const BUYER_GONE: ApiError =
    ApiError::Conflict("The buyer's account has been deleted: there is nobody to register the devices for.");

/// Brings an order to its next status, for its buyer or for an administrator.
pub async fn change_status(
    db: &DbPool,
    clock: &Clock,
    caller: AuthUser,
    id: OrderId,
    next: OrderStatus,
    if_match: &IfMatch,
) -> Result<OrderResponse, ApiError> {
    let mut connection = db.get().await?;
    let changed = connection.transaction(async |connection| {
        let before = lock(connection, id).await?;
        let role = role_of(caller, &before).ok_or(NO_ORDER)?;
        if_match.check(before.updated_at)?;
        if !before.status.may_become(next) {
            return Err(WRONG_STEP);
        }
        let now = later(clock.now(), &before);
        let after = store::update_status(connection, id, next, now).await?;
        store::insert_status_change(connection, id, next, role, now).await?;
        audit::record(connection, now, audit_event(caller.user_id, &before, &after)).await?;
        match next {
            OrderStatus::Cancelled => give_back(connection, id, now).await?,
            OrderStatus::Shipped => register_devices(connection, &after, now).await?,
            OrderStatus::Pending | OrderStatus::Paid | OrderStatus::Delivered => {}
        }
        Ok(queries::show_one(connection, after).await?)
    });
    changed.await
}

/// Locks the buyer's account, to which devices may have to be added, and then the order: deleting an account locks in the
/// same order.
async fn lock(connection: &mut AsyncPgConnection, id: OrderId) -> Result<OrderRow, ApiError> {
    let order = store::find_order(connection, id).await?.ok_or(NO_ORDER)?;
    if let Some(buyer) = order.buyer_id {
        accounts::keep(connection, buyer).await?;
    }
    store::lock_order(connection, id).await?.ok_or(NO_ORDER)
}

/// In which role the caller may change the order, if in any.
fn role_of(caller: AuthUser, order: &OrderRow) -> Option<Role> {
    if order.buyer_id == Some(caller.user_id) && !caller.is_admin {
        Some(Role::Buyer)
    } else {
        caller.is_admin.then_some(Role::Administrator)
    }
}

/// The instant of the next version, greater than the last one even on a clock that was set back.
fn later(now: DateTime<Utc>, before: &OrderRow) -> DateTime<Utc> {
    now.max(before.updated_at + TimeDelta::microseconds(1))
}

fn audit_event(actor: UserId, before: &OrderRow, after: &OrderRow) -> AuditEvent {
    let shown = |order: &OrderRow| Some(json!({"status": order.status}));
    let subject = before.id.as_uuid().into();
    AuditEvent { actor, action: "order.status_changed", subject, before: shown(before), after: shown(after) }
}

/// Gives the stock of an order back. A product that was retired meanwhile gets it too: it is counted, not shown.
async fn give_back(connection: &mut AsyncPgConnection, id: OrderId, now: DateTime<Utc>) -> Result<(), ApiError> {
    let items = store::list_items(connection, &[id]).await?;
    let products: Vec<_> = items.iter().map(|item| item.product_id).collect();
    catalogue::lock_products(connection, &products).await?;
    let given: Vec<_> = items.iter().map(|item| (item.product_id, item.quantity)).collect();
    Ok(catalogue::move_stock(connection, &given, now).await?)
}

/// Registers the devices that an order brings, for its buyer.
async fn register_devices(
    connection: &mut AsyncPgConnection,
    order: &OrderRow,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let items = store::list_items(connection, &[order.id]).await?;
    for item in items.iter().filter(|item| item.is_device) {
        let buyer = order.buyer_id.ok_or(BUYER_GONE)?;
        let description = format!("Order {}", order.id);
        devices::register_bought(connection, buyer, &item.title, &description, item.quantity, now).await?;
    }
    Ok(())
}
