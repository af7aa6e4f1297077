//! Numbers with a unit and a range. NaN and the infinities are never inside a range.

use serde::{Deserialize, Serialize};

/// A number outside the range of its quantity; the text is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("must be between {min} and {max}{}{unit}", if unit.is_empty() { "" } else { " " })]
pub struct QuantityError {
    min: f64,
    max: f64,
    unit: &'static str,
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl TryFrom<f64> for $name {
            type Error = QuantityError;

            fn try_from(value: f64) -> Result<Self, Self::Error> {
                if ($min..=$max).contains(&value) { Ok(Self(value)) } else { Err(QuantityError { min: $min, max: $max, unit: $unit }) }
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> Self {
                quantity.0
            }
        }
    };
}

quantity! {
    /// A share of the whole, %.
    Percent, 0.0, 100.0, "%"
}
quantity! {
    /// A temperature, °C: from absolute zero to beyond any furnace.
    Celsius, -273.15, 10_000.0, "°C"
}
quantity! {
    /// A duration, ms: up to a day.
    Milliseconds, 0.0, 86_400_000.0, "ms"
}
quantity! {
    /// A voltage, V: transmission lines end near 1.2 MV.
    Volts, -2_000_000.0, 2_000_000.0, "V"
}
quantity! {
    /// A current, A: beyond the largest smelters.
    Amperes, -1_000_000.0, 1_000_000.0, "A"
}
quantity! {
    /// A number whose unit only its sender knows: any finite one.
    Scalar, f64::MIN, f64::MAX, ""
}

#[cfg(test)]
mod tests {
    use super::{Celsius, Percent, Scalar};

    #[test]
    fn bounds_are_inside_and_what_is_beyond_is_not() {
        for inside in [0.0, -0.0, 55.5, 100.0] {
            assert!(Percent::try_from(inside).is_ok(), "{inside}");
        }
        for outside in [-0.1, 100.000_001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Percent::try_from(outside).is_err(), "{outside}");
        }
        assert!(Celsius::try_from(-273.16).is_err());
        assert!(Scalar::try_from(f64::NAN).is_err());
        assert!(Scalar::try_from(f64::MAX).is_ok());
    }

    #[test]
    fn an_error_says_the_range_and_the_unit() {
        assert_eq!(Percent::try_from(101.0).unwrap_err().to_string(), "must be between 0 and 100 %");
    }
}
