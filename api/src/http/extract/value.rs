//! One JSON value, read as a type of ours. What is wrong with it comes as a code and a detail.
//!
//! `serde_json::from_value` would do, but its error is a sentence that hides which of the two it is: a wrong type, or
//! a value that our type refused. serde tells an error type of one's own.

use std::fmt::Display;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// What is wrong with a value. The value is left out of it: it may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// What, for programs.
    pub code: &'static str,
    /// What, for people.
    pub detail: String,
}

impl Fault {
    fn expected(code: &'static str, expected: &str) -> Self {
        // serde names whole numbers by their Rust type.
        let expected = if matches!(expected, "i64" | "u32" | "i32") { "a whole number" } else { expected };
        Self { code, detail: format!("must be {expected}") }
    }
}

impl serde::de::Error for Fault {
    /// A value that one of our types refused, in that type's words.
    fn custom<T: Display>(refusal: T) -> Self {
        Self { code: "invalid", detail: refusal.to_string() }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected("wrong_type", &expected.to_string())
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected("invalid", &expected.to_string())
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        let known: Vec<_> = known.iter().map(|word| format!("`{word}`")).collect();
        match known.as_slice() {
            [one, other] => Self::expected("invalid", &format!("{one} or {other}")),
            words => Self::expected("invalid", &format!("one of {}", words.join(", "))),
        }
    }
}

/// Reads a value as a `T`.
///
/// # Errors
/// What is wrong with it.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    T::deserialize(JsonValue(value))
}

/// Beyond it, a double does not hold every whole number.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// A JSON value whose errors are [`Fault`]s.
struct JsonValue(Value);

impl IntoDeserializer<'_, Fault> for JsonValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn map<'de>(
    fields: serde_json::Map<String, Value>,
) -> MapDeserializer<'de, impl Iterator<Item = (String, JsonValue)>, Fault> {
    MapDeserializer::new(fields.into_iter().map(|(name, value)| (name, JsonValue(value))))
}

impl JsonValue {
    /// `10.0` is a whole number to JSON, which has one kind of number, and to programs that write all of them so.
    fn whole(self) -> Self {
        let is_written_as_fraction = |number: &f64| number.fract() == 0.0 && number.abs() <= MAX_EXACT;
        match self.0.as_f64().filter(is_written_as_fraction) {
            Some(number) if self.0.is_f64() => Self(format!("{number:.0}").parse::<i64>().map_or(self.0, Value::from)),
            _ => self,
        }
    }
}

/// How whole numbers are read.
macro_rules! whole_numbers {
    ($($deserialize:ident)+) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.whole().deserialize_any(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for JsonValue {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(yes) => visitor.visit_bool(yes),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(natural), _) => visitor.visit_u64(natural),
                (None, Some(whole)) => visitor.visit_i64(whole),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => SeqDeserializer::new(items.into_iter().map(JsonValue)).deserialize_any(visitor),
            Value::Object(fields) => visitor.visit_map(map(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(word.into_deserializer()),
            // serde's other form of a word, which has always been taken: `{"open": null}`.
            Value::Object(one) if one.len() == 1 => visitor.visit_enum(MapAccessDeserializer::new(map(one))),
            Value::Object(_) => Err(Fault::expected("invalid", "map with a single key")),
            _ => Err(Fault::expected("wrong_type", "string or map")),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::{Fault, Value, read};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Auth {
        Open,
        Token,
    }

    fn fault<T: serde::de::DeserializeOwned + std::fmt::Debug>(value: Value) -> (&'static str, String) {
        let Fault { code, detail } = read::<T>(value).unwrap_err();
        (code, detail)
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        assert_eq!(read::<i64>(json!(10.0)), Ok(10));
        assert_eq!(read::<u32>(json!(-0.0)), Ok(0));
        assert_eq!(read::<f64>(json!(10.0)), Ok(10.0));
        assert_eq!(read::<Value>(json!(10.0)), Ok(json!(10.0)));
        assert_eq!(fault::<i64>(json!(1e300)).0, "wrong_type");
        assert_eq!(fault::<u32>(json!(-1.0)).0, "invalid");
    }

    #[test]
    fn a_fault_does_not_repeat_the_value() {
        assert_eq!(fault::<i64>(json!("10")), ("wrong_type", "must be a whole number".to_owned()));
        assert_eq!(fault::<i64>(json!(1.5)), ("wrong_type", "must be a whole number".to_owned()));
        assert_eq!(fault::<u32>(json!(-1)), ("invalid", "must be a whole number".to_owned()));
        assert_eq!(fault::<String>(json!(12_345_678)), ("wrong_type", "must be a string".to_owned()));
        assert_eq!(fault::<Vec<String>>(json!(["a", 5])), ("wrong_type", "must be a string".to_owned()));
        assert_eq!(fault::<Auth>(json!("x")), ("invalid", "must be `open` or `token`".to_owned()));
        assert!(matches!(read(json!("open")), Ok(Auth::Open)) && matches!(read(json!("token")), Ok(Auth::Token)));
    }
}
