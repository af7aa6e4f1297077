//! Orders in PostgreSQL.

pub mod idempotency_keys;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, Queryable};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::types::{OrderStatus, Role};
use crate::ids::{OrderId, ProductId, UserId};
use crate::schema::{order_items, order_status_changes, orders};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders, check_for_backend(Pg))]
pub struct OrderRow {
    pub id: OrderId,
    /// Who bought, as long as there is such an account.
    pub buyer_id: Option<UserId>,
    pub status: OrderStatus,
    pub currency: String,
    pub total_minor: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A line of an order, as it was sold.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = order_items, check_for_backend(Pg))]
pub struct ItemRow {
    pub order_id: OrderId,
    pub product_id: ProductId,
    pub title: String,
    pub sku: Option<String>,
    /// Whether each one becomes a device.
    pub is_device: bool,
    /// What one cost, in minor units.
    pub unit_price_minor: i64,
    pub quantity: i32,
}

/// A step of an order.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = order_status_changes, check_for_backend(Pg))]
pub struct StatusChangeRow {
    pub order_id: OrderId,
    pub status: OrderStatus,
    /// Who gave it.
    pub changed_by: Role,
    pub changed_at: DateTime<Utc>,
}

impl Queryable<Text, Pg> for OrderStatus {
    type Row = String;

    fn build(word: String) -> deserialize::Result<Self> {
        Self::named(&word).ok_or_else(|| format!("unknown status of an order: {word}").into())
    }
}

impl Queryable<Text, Pg> for Role {
    type Row = String;

    fn build(word: String) -> deserialize::Result<Self> {
        Self::named(&word).ok_or_else(|| format!("unknown role: {word}").into())
    }
}

/// Which orders are wanted; `None` wants all.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderFilter {
    pub buyer: Option<UserId>,
    pub status: Option<OrderStatus>,
}

/// Writes a new, pending order. The caller has locked the buyer's account.
pub async fn insert_order(
    connection: &mut AsyncPgConnection,
    id: OrderId,
    buyer: UserId,
    currency: &str,
    total_minor: i64,
    now: DateTime<Utc>,
) -> QueryResult<OrderRow> {
    let row = (
        orders::id.eq(id),
        orders::buyer_id.eq(buyer),
        orders::status.eq(OrderStatus::Pending.as_str()),
        orders::currency.eq(currency),
        orders::total_minor.eq(total_minor),
        orders::created_at.eq(now),
        orders::updated_at.eq(now),
    );
    let insert = diesel::insert_into(orders::table).values(row);
    insert.returning(OrderRow::as_returning()).get_result(connection).await
}

pub async fn insert_items(connection: &mut AsyncPgConnection, items: &[ItemRow]) -> QueryResult<()> {
    diesel::insert_into(order_items::table).values(items).execute(connection).await.map(|_| ())
}

/// Writes a step of an order. A second one to the same status violates the key.
pub async fn insert_status_change(
    connection: &mut AsyncPgConnection,
    order: OrderId,
    status: OrderStatus,
    role: Role,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (
        order_status_changes::order_id.eq(order),
        order_status_changes::status.eq(status.as_str()),
        order_status_changes::changed_by.eq(role.as_str()),
        order_status_changes::changed_at.eq(at),
    );
    diesel::insert_into(order_status_changes::table).values(row).execute(connection).await.map(|_| ())
}

pub async fn update_status(
    connection: &mut AsyncPgConnection,
    id: OrderId,
    status: OrderStatus,
    at: DateTime<Utc>,
) -> QueryResult<OrderRow> {
    let changes = (orders::status.eq(status.as_str()), orders::updated_at.eq(at));
    let update = diesel::update(orders::table.find(id)).set(changes);
    update.returning(OrderRow::as_returning()).get_result(connection).await
}

pub async fn find_order(connection: &mut AsyncPgConnection, id: OrderId) -> QueryResult<Option<OrderRow>> {
    orders::table.find(id).select(OrderRow::as_select()).first(connection).await.optional()
}

/// An order, locked until the transaction ends.
pub async fn lock_order(connection: &mut AsyncPgConnection, id: OrderId) -> QueryResult<Option<OrderRow>> {
    let query = orders::table.find(id).select(OrderRow::as_select());
    query.for_no_key_update().first(connection).await.optional()
}

/// A page of orders before `before`, the newest first.
pub async fn list_orders(
    connection: &mut AsyncPgConnection,
    filter: OrderFilter,
    before: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<OrderRow>> {
    let query = orders::table.select(OrderRow::as_select());
    let mut query = query.order(orders::id.desc()).limit(limit).into_boxed();
    if let Some(buyer) = filter.buyer {
        query = query.filter(orders::buyer_id.eq(buyer));
    }
    if let Some(status) = filter.status {
        query = query.filter(orders::status.eq(status.as_str()));
    }
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before));
    }
    query.load(connection).await
}

/// The lines of orders, in the order of their products' ids.
pub async fn list_items(connection: &mut AsyncPgConnection, ids: &[OrderId]) -> QueryResult<Vec<ItemRow>> {
    let query = order_items::table.filter(order_items::order_id.eq_any(ids));
    let query = query.order((order_items::order_id, order_items::product_id));
    query.select(ItemRow::as_select()).load(connection).await
}

/// The steps of orders, the first one first.
pub async fn list_status_changes(
    connection: &mut AsyncPgConnection,
    ids: &[OrderId],
) -> QueryResult<Vec<StatusChangeRow>> {
    let query = order_status_changes::table.filter(order_status_changes::order_id.eq_any(ids));
    let query = query.order((order_status_changes::order_id, order_status_changes::changed_at));
    query.select(StatusChangeRow::as_select()).load(connection).await
}
