//! What an order is: its statuses, what is sent, what is shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::extract::fields::{body, optional, required};
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
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether an order goes from this status to that one.
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
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Administrator => "administrator",
        }
    }

    /// The role of that word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Buyer, Self::Administrator].into_iter().find(|role| role.as_str() == word)
    }
}

body! {
    /// An order of what is in the cart. Needs no body.
    #[derive(Debug)]
    pub struct OrderBody {
        /// What the buyer was shown as the total: where the cart comes to something else by now, nothing is ordered.
        #[schema(minimum = 0, example = 25980)]
        pub total_minor: Option<i64> = optional,
    }
}

body! {
    /// The next step of an order.
    pub struct OrderStatusBody {
        /// The new status.
        pub status: OrderStatus = required,
    }
}

/// A line of an order, as it was sold.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderLine {
    /// The product.
    pub product_id: ProductId,
    /// Title at the time of the order.
    pub title: String,
    /// The seller's own number (SKU).
    pub sku: Option<String>,
    /// Whether each one is registered as a device of the buyer's when it is shipped.
    pub is_device: bool,
    /// Pieces ordered.
    pub quantity: i32,
    /// Price of one piece at the time of the order, in minor units (cents) of its currency.
    pub unit_price_minor: i64,
    /// `quantity` times `unit_price_minor`.
    pub line_total_minor: i64,
}

/// A step of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatusChange)]
pub struct StatusChange {
    /// The new status.
    pub status: OrderStatus,
    /// Role of who changed it.
    pub changed_by: Role,
    /// When it changed.
    pub changed_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OrderResponse {
    /// Its id.
    pub id: OrderId,
    /// Who bought; `null` when the account has been deleted since.
    pub buyer_id: Option<UserId>,
    /// Current status.
    pub status: OrderStatus,
    /// Currency (ISO 4217).
    #[schema(example = "EUR")]
    pub currency: String,
    /// Price in minor units (cents) of the currency.
    #[schema(example = 25980)]
    pub total_minor: i64,
    /// Lines, as they were sold.
    pub items: Vec<OrderLine>,
    /// Status changes so far, the oldest first.
    pub history: Vec<StatusChange>,
    /// When the order was placed.
    pub created_at: DateTime<Utc>,
    /// When the order last changed.
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
