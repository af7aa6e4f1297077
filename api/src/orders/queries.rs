//! Orders with their lines and their status changes.

use std::collections::HashMap;
use std::hash::Hash;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store::{self, ItemRow, OrderFilter, OrderRow, StatusChangeRow};
use super::types::{NO_ORDER, OrderLine, OrderResponse, StatusChange};
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::OrderId;
use crate::rate_limit::HeavyDb;

/// A page of orders, the newest first, and one more where there is a next page.
pub async fn list(db: &HeavyDb, filter: OrderFilter, page: &Page<OrderId>) -> Result<Vec<OrderResponse>, ApiError> {
    db.run(async |connection| {
        let rows = store::list_orders(connection, filter, page.after, page.fetch_limit()).await?;
        Ok(show(connection, rows).await?)
    })
    .await
}

/// An order that the caller may see: one's own; for administrators, any.
pub async fn find(db: &DbPool, caller: AuthUser, id: OrderId) -> Result<OrderResponse, ApiError> {
    let mut connection = db.get().await?;
    let order = store::find_order(&mut connection, id).await?;
    let visible = order.filter(|order| caller.is_admin || order.buyer_id == Some(caller.user_id)).ok_or(NO_ORDER)?;
    Ok(show_one(&mut connection, visible).await?)
}

/// Orders as they are shown, in three queries however many they are.
async fn show(connection: &mut AsyncPgConnection, rows: Vec<OrderRow>) -> QueryResult<Vec<OrderResponse>> {
    let ids: Vec<OrderId> = rows.iter().map(|row| row.id).collect();
    let mut items = grouped(store::list_items(connection, &ids).await?, |item| item.order_id);
    let mut changes = grouped(store::list_status_changes(connection, &ids).await?, |change| change.order_id);
    let mut response = |row: OrderRow| {
        let (items, changes) = (items.remove(&row.id), changes.remove(&row.id));
        OrderResponse::new(row, items.unwrap_or_default(), changes.unwrap_or_default())
    };
    Ok(rows.into_iter().map(&mut response).collect())
}

/// One order as it is shown.
pub async fn show_one(connection: &mut AsyncPgConnection, row: OrderRow) -> QueryResult<OrderResponse> {
    show(connection, vec![row]).await?.pop().ok_or(diesel::NotFound)
}

fn grouped<K: Eq + Hash, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

impl OrderResponse {
    fn new(order: OrderRow, items: Vec<ItemRow>, changes: Vec<StatusChangeRow>) -> Self {
        Self {
            id: order.id,
            buyer_id: order.buyer_id,
            status: order.status,
            currency: order.currency,
            total_minor: order.total_minor,
            items: items.into_iter().map(OrderLine::from).collect(),
            history: changes.into_iter().map(StatusChange::from).collect(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

impl From<ItemRow> for OrderLine {
    fn from(row: ItemRow) -> Self {
        Self {
            product_id: row.product_id,
            title: row.title,
            sku: row.sku,
            is_device: row.is_device,
            quantity: row.quantity,
            unit_price_minor: row.unit_price_minor,
            line_total_minor: row.unit_price_minor.saturating_mul(row.quantity.into()),
        }
    }
}

impl From<StatusChangeRow> for StatusChange {
    fn from(row: StatusChangeRow) -> Self {
        Self { status: row.status, changed_by: row.changed_by, changed_at: row.changed_at }
    }
}
