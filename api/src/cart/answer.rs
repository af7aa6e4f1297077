//! What goes out.

use std::collections::BTreeMap;

use crate::ids::ProductId;
use serde::Serialize;
use utoipa::ToSchema;

use super::store::LineRow;
use super::types::Availability;

/// A line of the cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLine {
    /// The product.
    product_id: ProductId,
    /// What it is called.
    title: String,
    /// How many are wanted.
    quantity: i32,
    /// What one costs now, in minor units (cents) of the currency.
    unit_price_minor: i64,
    /// In which currency (ISO 4217).
    currency: String,
    /// What they cost together now.
    line_total_minor: i64,
    /// How many there are.
    stock: i32,
    /// Whether they can be had.
    availability: Availability,
    /// Whether each one shipped is registered as a device.
    is_device: bool,
    /// Where its picture is.
    image_url: Option<String>,
}

/// What the cart costs in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartTotal {
    /// Which.
    currency: String,
    /// How much, in its minor units. Retired products are not in it.
    total_minor: i64,
}

/// A user's cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartResponse {
    /// What is in it.
    items: Vec<CartLine>,
    /// What it costs, in each currency.
    totals: Vec<CartTotal>,
    /// Whether it can be ordered as it is: not empty, everything available, in one currency.
    can_be_ordered: bool,
}

impl CartResponse {
    /// The answer that shows these lines.
    #[must_use]
    pub fn new(rows: Vec<LineRow>) -> Self {
        let items: Vec<_> = rows.into_iter().map(CartLine::from).collect();
        let mut totals = BTreeMap::<String, i64>::new();
        for line in items.iter().filter(|line| line.availability != Availability::Retired) {
            let total = totals.entry(line.currency.clone()).or_default();
            *total = total.saturating_add(line.line_total_minor);
        }
        let all_there = items.iter().all(|line| line.availability == Availability::Available);
        let can_be_ordered = all_there && totals.len() == 1;
        let totals = totals.into_iter().map(|(currency, total_minor)| CartTotal { currency, total_minor }).collect();
        Self { items, totals, can_be_ordered }
    }
}

impl From<LineRow> for CartLine {
    fn from(row: LineRow) -> Self {
        Self {
            product_id: row.product_id,
            title: row.title,
            quantity: row.quantity,
            unit_price_minor: row.price_minor,
            currency: row.currency,
            line_total_minor: row.price_minor.saturating_mul(row.quantity.into()),
            stock: row.stock,
            availability: Availability::of(row.quantity, row.stock, row.retired_at.is_some()),
            is_device: row.is_device,
            image_url: row.image_url,
        }
    }
}
