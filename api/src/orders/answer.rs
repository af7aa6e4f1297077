//! What goes out.

use crate::ids::{OrderId, ProductId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::store::{ItemRow, OrderRow, StatusChangeRow};
use super::types::{OrderStatus, Role};

/// A line of an order, as it was sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLine {
    /// The product.
    product_id: ProductId,
    /// What it was called.
    title: String,
    /// The seller's own number for it.
    sku: Option<String>,
    /// Whether each one is registered as a device of the buyer's when it is shipped.
    is_device: bool,
    /// How many.
    quantity: i32,
    /// What one cost, in minor units (cents) of the order's currency.
    unit_price_minor: i64,
    /// What they cost together.
    line_total_minor: i64,
}

/// A step of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChange {
    /// The status it got.
    status: OrderStatus,
    /// Who gave it.
    changed_by: Role,
    /// When.
    changed_at: DateTime<Utc>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderResponse {
    /// Its id.
    pub id: OrderId,
    /// Who bought; `null` when the account has been deleted since.
    buyer_id: Option<UserId>,
    /// How far it has come.
    status: OrderStatus,
    /// In which currency (ISO 4217).
    #[schema(example = "EUR")]
    currency: String,
    /// What it costs, in minor units (cents) of the currency.
    #[schema(example = 25980)]
    total_minor: i64,
    /// What was bought.
    items: Vec<OrderLine>,
    /// Its steps so far, the first one first.
    history: Vec<StatusChange>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl OrderResponse {
    /// The answer that shows an order.
    #[must_use]
    pub fn new(order: OrderRow, items: Vec<ItemRow>, changes: Vec<StatusChangeRow>) -> Self {
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
