//! The rules of carts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::extract::json::{Fields, FromFields};

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
    /// The number.
    #[must_use]
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

/// How many of a product are wanted.
#[derive(ToSchema)]
pub struct CartItemBody {
    /// All together, not in addition to those already in the cart; no more than there are.
    #[schema(value_type = i32, minimum = 1, maximum = 10_000, example = 2)]
    pub quantity: Quantity,
}

impl FromFields for CartItemBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { quantity: fields.required("quantity")? })
    }
}

/// Whether what is wanted can be had.
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
    #[must_use]
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

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, MAX_QUANTITY, Quantity};
    use crate::catalogue::money::PriceMinor;

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
