//! What an order is: its statuses, what is sent, what is shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::extract::json::{Fields, FromFields};
use crate::ids::{OrderId, ProductId, UserId};

/// For an order that is not there, and for somebody else's.
pub const NO_ORDER: ApiError = ApiError::NotFound("order");

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Made; its stock is taken.
    Pending,
    /// Paid for.
    Paid,
    /// On its way; what is a device is registered.
    Shipped,
    /// With the buyer.
    Delivered,
    /// Called off; its stock is given back.
    Cancelled,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Paid, Self::Shipped, Self::Delivered, Self::Cancelled];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether an order goes from this status to that one.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Paid)
                | (Self::Paid, Self::Shipped)
                | (Self::Shipped, Self::Delivered)
                | (Self::Pending | Self::Paid, Self::Cancelled)
        )
    }
}

/// In which role somebody changes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// As who bought.
    Buyer,
    /// As who sells.
    Administrator,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Administrator => "administrator",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Buyer, Self::Administrator].into_iter().find(|role| role.as_str() == word)
    }
}

/// An order of what is in the cart. Needs no body.
#[derive(Debug, Default, ToSchema)]
pub struct OrderBody {
    /// What the buyer was shown as the total: where the cart comes to something else by now, nothing is ordered.
    #[schema(minimum = 0, example = 25980)]
    pub total_minor: Option<i64>,
}

impl FromFields for OrderBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { total_minor: fields.optional("total_minor") })
    }
}

/// The next step of an order.
#[derive(ToSchema)]
pub struct OrderStatusBody {
    /// The status it is to have.
    pub status: OrderStatus,
}

impl FromFields for OrderStatusBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { status: fields.required("status")? })
    }
}

/// A line of an order, as it was sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLine {
    /// The product.
    pub product_id: ProductId,
    /// What it was called.
    pub title: String,
    /// The seller's own number for it.
    pub sku: Option<String>,
    /// Whether each one is registered as a device of the buyer's when it is shipped.
    pub is_device: bool,
    /// How many.
    pub quantity: i32,
    /// What one cost, in minor units (cents) of the order's currency.
    pub unit_price_minor: i64,
    /// What they cost together.
    pub line_total_minor: i64,
}

/// A step of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChange {
    /// The status it got.
    pub status: OrderStatus,
    /// Who gave it.
    pub changed_by: Role,
    /// When.
    pub changed_at: DateTime<Utc>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderResponse {
    /// Its id.
    pub id: OrderId,
    /// Who bought; `null` when the account has been deleted since.
    pub buyer_id: Option<UserId>,
    /// How far it has come.
    pub status: OrderStatus,
    /// In which currency (ISO 4217).
    #[schema(example = "EUR")]
    pub currency: String,
    /// What it costs, in minor units (cents) of the currency.
    #[schema(example = 25980)]
    pub total_minor: i64,
    /// What was bought.
    pub items: Vec<OrderLine>,
    /// Its steps so far, the first one first.
    pub history: Vec<StatusChange>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::OrderStatus;

    #[test]
    fn an_order_takes_one_step_at_a_time_and_none_back() {
        let steps = OrderStatus::ALL.into_iter().flat_map(|from| OrderStatus::ALL.map(|to| (from, to)));
        let allowed: Vec<_> = steps
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{} {}", from.as_str(), to.as_str()))
            .collect();
        let expected = ["pending paid", "pending cancelled", "paid shipped", "paid cancelled", "shipped delivered"];
        assert_eq!(allowed, expected);
    }
}
