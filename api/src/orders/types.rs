//! The rules of orders.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest key of a request that may be sent again, bytes.
const MAX_KEY_BYTES: usize = 255;

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

/// A text that cannot be a key; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_BYTES} printable ASCII characters")]
pub struct KeyError;

/// What a client calls a request by that it may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&[u8]> for IdempotencyKey {
    type Error = KeyError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        let bytes = bytes.trim_ascii();
        let is_one = (1..=MAX_KEY_BYTES).contains(&bytes.len()) && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError)?;
        if is_one { Ok(Self(text.to_owned())) } else { Err(KeyError) }
    }
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, OrderStatus};

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

    #[test]
    fn a_key_is_short_and_printable() {
        assert_eq!(IdempotencyKey::try_from(b" a-1 ".as_slice()).unwrap().as_str(), "a-1");
        let long = [b'x'; 256];
        for bad in [b"".as_slice(), b"  ", b"a\tb", b"a\0b", "ã".as_bytes(), &[0xff], &long] {
            assert!(IdempotencyKey::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
