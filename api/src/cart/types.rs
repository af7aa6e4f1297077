//! What may be in a cart, and how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::extract::fields::{body, required};
use crate::ids::ProductId;

/// Most pieces of one product. With the highest price and [`MAX_LINES`], a total still fits.
pub const MAX_QUANTITY: i32 = 10_000;
/// Most products in a cart.
pub const MAX_LINES: i64 = 100;

/// A number of pieces that cannot be wanted; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and {MAX_QUANTITY}")]
pub struct QuantityError;

/// How many pieces are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Quantity(i32);

impl Quantity {
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = QuantityError;

    fn try_from(pieces: i64) -> Result<Self, Self::Error> {
        let in_range = i32::try_from(pieces).ok().filter(|pieces| (1..=MAX_QUANTITY).contains(pieces));
        in_range.map(Self).ok_or(QuantityError)
    }
}

body! {
    /// How many of a product are wanted.
    pub struct CartItemBody {
        /// All together, not in addition to those already in the cart; no more than there are.
        #[schema(value_type = i32, minimum = 1, maximum = 10_000, example = 2)]
        pub quantity: Quantity = required,
    }
}

/// Whether a line of the cart can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// As it is.
    Available,
    /// Not so many.
    InsufficientStock,
    /// Not any more.
    Retired,
}

impl Availability {
    /// Of so many pieces of a product with so many in stock.
    pub fn of(quantity: i32, stock: i32, is_retired: bool) -> Self {
        if is_retired {
            Self::Retired
        } else if quantity > stock {
            Self::InsufficientStock
        } else {
            Self::Available
        }
    }
}

/// A line of the cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartLine {
    /// The product.
    pub product_id: ProductId,
    /// Title, one line.
    pub title: String,
    /// Pieces wanted.
    pub quantity: i32,
    /// Today's price of one piece, in minor units (cents) of the currency.
    pub unit_price_minor: i64,
    /// Currency (ISO 4217).
    pub currency: String,
    /// `quantity` times `unit_price_minor`.
    pub line_total_minor: i64,
    /// Pieces in stock.
    pub stock: i32,
    /// Whether that many can be ordered now.
    pub availability: Availability,
    /// Whether each one shipped is registered as a device.
    pub is_device: bool,
    /// Address of a picture, http or https.
    pub image_url: Option<String>,
}

/// What the cart costs in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartTotal {
    /// Currency (ISO 4217).
    currency: String,
    /// Total in minor units (cents) of the currency, without retired products.
    total_minor: i64,
}

/// A user's cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartResponse {
    /// Lines, in the order in which they were put in.
    items: Vec<CartLine>,
    /// Totals, one for each currency.
    totals: Vec<CartTotal>,
    /// Whether it can be ordered as it is: not empty, everything available, in one currency.
    can_be_ordered: bool,
}

impl CartResponse {
    /// The cart with these lines.
    pub fn new(items: Vec<CartLine>) -> Self {
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

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, MAX_QUANTITY, Quantity};
    use crate::catalogue::PriceMinor;

    #[test]
    fn a_quantity_is_at_least_one() {
        assert_eq!(Quantity::try_from(1).map(Quantity::get), Ok(1));
        for bad in [0, -1, 10_001, i64::MAX, i64::MIN] {
            assert!(Quantity::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_greatest_total_fits() {
        let dearest = PriceMinor::try_from(10_000_000_000).unwrap().get();
        assert!(PriceMinor::try_from(dearest + 1).is_err());
        assert!(dearest.checked_mul(MAX_QUANTITY.into()).and_then(|line| line.checked_mul(MAX_LINES)).is_some());
    }
}
