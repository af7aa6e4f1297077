//! One JSON value of an item, kept as it came: nothing is judged yet.
//!
//! Values are not forced into numbers while they are parsed, so that one pass finds every fault of an item instead of
//! stopping at the first.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value; arrays and objects are not looked into.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// A number without fraction and exponent: a count of nanoseconds has more digits than a floating-point number.
    Integer(i64),
    Number(f64),
    Bool(bool),
    Text(Cow<'a, str>),
    /// An array, or an object where none belongs.
    Other,
}

impl Field<'_> {
    #[expect(clippy::as_conversions, reason = "JSON has one kind of number; beyond 2^53 it is rounded as everywhere")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }
}

/// A field's value under the name it came with; absent and `null` are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<'a> {
    /// The name in the body, for the error's pointer; behind `values/` where it is inside of those.
    pub name: Cow<'a, str>,
    pub value: Field<'a>,
}

impl<'a> Named<'a> {
    /// Puts a field's value where there is none yet. The first counts: the error is the name of another one after it.
    pub fn put(slot: &mut Option<Self>, name: Cow<'a, str>, value: Field<'a>) -> Result<(), Cow<'a, str>> {
        match slot {
            None => *slot = Some(Self { name, value }),
            Some(first) if first.value == value => {}
            Some(_) => return Err(name),
        }
        Ok(())
    }
}

/// A field's name, borrowed from the body unless it holds an escape.
pub struct Key<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Field::deserialize(deserializer)? {
            Field::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a field's name must be a string")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Field::Number(value))
    }

    #[expect(clippy::as_conversions, reason = "JSON has one kind of number; beyond 2^53 it is rounded as everywhere")]
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Field::Number(value as f64), Field::Integer))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Field::Integer(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
