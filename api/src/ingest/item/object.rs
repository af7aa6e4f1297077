//! Objects, read field by field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::field::Key;

/// What an object is read into.
pub trait FromFields<'de>: Default {
    /// Takes the field of this name, whose value is next.
    fn take<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error>;
}

/// Takes all fields that are left.
pub fn take_all<'de, T: FromFields<'de>, A: MapAccess<'de>>(mut fields: A) -> Result<T, A::Error> {
    let mut object = T::default();
    while let Some(Key(name)) = fields.next_key()? {
        object.take(name, &mut fields)?;
    }
    Ok(object)
}

/// An object, or any other value where one belongs.
#[derive(Debug, PartialEq)]
pub enum ObjectOr<T> {
    Object(T),
    Other,
}

impl<'de, T: FromFields<'de>> Deserialize<'de> for ObjectOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: FromFields<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = ObjectOr<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(ObjectOr::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(ObjectOr::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(ObjectOr::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(ObjectOr::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(ObjectOr::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ObjectOr::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        take_all(fields).map(ObjectOr::Object)
    }
}
