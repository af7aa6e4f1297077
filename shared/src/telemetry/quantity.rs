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
    use super::{Amperes, Celsius, Milliseconds, Percent, QuantityError, Scalar, Volts};

    /// Holds a quantity against its bounds: both are inside, the next numbers beyond them are not.
    fn check<T>(min: f64, max: f64, says: &str)
    where
        T: TryFrom<f64, Error = QuantityError> + Into<f64> + std::fmt::Debug,
    {
        for inside in [min, max, min.midpoint(max), -0.0_f64.max(min)] {
            let kept: f64 = T::try_from(inside).unwrap().into();
            assert_eq!(kept.to_bits(), inside.to_bits(), "{inside} is kept as it is");
        }
        for outside in [min.next_down(), max.next_up(), f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(T::try_from(outside).unwrap_err().to_string(), says, "{outside}");
        }
    }

    #[test]
    fn each_quantity_has_its_range_and_says_so() {
        check::<Percent>(0.0, 100.0, "must be between 0 and 100 %");
        check::<Celsius>(-273.15, 10_000.0, "must be between -273.15 and 10000 °C");
        check::<Milliseconds>(0.0, 86_400_000.0, "must be between 0 and 86400000 ms");
        check::<Volts>(-2_000_000.0, 2_000_000.0, "must be between -2000000 and 2000000 V");
        check::<Amperes>(-1_000_000.0, 1_000_000.0, "must be between -1000000 and 1000000 A");
    }

    #[test]
    fn a_scalar_is_any_finite_number() {
        for finite in [f64::MIN, f64::MAX, f64::MIN_POSITIVE, -0.0] {
            assert!(Scalar::try_from(finite).is_ok(), "{finite}");
        }
        for other in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = Scalar::try_from(other).unwrap_err().to_string();
            assert!(error.starts_with("must be between -") && error.ends_with('0'), "without a unit: {error}");
        }
    }

    #[test]
    fn json_is_held_to_the_same_range() {
        assert_eq!(serde_json::from_str::<Percent>("55.5").map(f64::from).unwrap(), 55.5);
        assert_eq!(serde_json::to_string(&Percent::try_from(55.5).unwrap()).unwrap(), "55.5");
        let error = serde_json::from_str::<Percent>("100.5").unwrap_err().to_string();
        assert!(error.starts_with("must be between 0 and 100 %"), "{error}");
        assert!(serde_json::from_str::<Percent>("\"55.5\"").is_err());
    }
}
