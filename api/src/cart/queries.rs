//! A cart read.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store::{self, LineRow};
use super::types::{Availability, CartLine, CartResponse};
use crate::ids::UserId;

/// A user's cart as it is now.
pub async fn show(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<CartResponse> {
    let lines = store::list_lines(connection, user).await?;
    Ok(CartResponse::new(lines.into_iter().map(CartLine::from).collect()))
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
