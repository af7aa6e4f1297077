//! From a request's bytes to [`RawItem`]s: one item, or an array of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::not_finite;
use super::raw::RawItem;
use crate::http::error::{ApiError, FieldError, cut};
use crate::http::extract::json::without_bom;

/// Most items in one request.
pub const MAX_ITEMS: usize = 1_000;

/// A request's items: each one read, or what made it unreadable.
pub type Items<'a> = Vec<Result<RawItem<'a>, serde_json::Error>>;

/// What a request's body holds.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a request, never in a collection; a box would cost every heartbeat")]
pub enum Body<'a> {
    /// One object.
    Single(RawItem<'a>),
    /// An array.
    Array(Items<'a>),
}

/// Reads a body that is one item or an array of items.
pub fn parse(bytes: &[u8]) -> Result<Body<'_>, ApiError> {
    let bytes = without_bom(bytes);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => parse_single(bytes).map(Body::Single),
        Some(b'[') => parse_array(bytes).map(Body::Array),
        Some(_) => match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Err(ApiError::Unreadable("The body must be a JSON object or an array of them.".into())),
            Err(error) => Err(not_json(&error)),
        },
        None => Err(ApiError::Unreadable("The body is empty.".into())),
    }
}

/// Reads a body that [`parse`] refused with `error`: one that is no JSON for its bare `NaN`s alone is read with those as
/// strings, so that each is a fault of its field, and hurts no other item.
pub fn parse_otherwise<T>(
    bytes: &[u8],
    error: ApiError,
    judge: impl FnOnce(Body<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let is_json = !matches!(error, ApiError::Unreadable(_));
    let Some(quoted) = (!is_json).then(|| not_finite::quoted(bytes)).flatten() else { return Err(error) };
    match parse(&quoted) {
        // Something else is wrong with it, too. The first error has the places in the bytes as they came.
        Err(ApiError::Unreadable(_)) => Err(error),
        parsed => parsed.and_then(judge),
    }
}

fn parse_single(bytes: &[u8]) -> Result<RawItem<'_>, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // JSON in its form, but with a value no program can hold (1e400, half a surrogate pair): the client's 422.
        match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(_) => ApiError::Validation(vec![unreadable_value(&error)]),
            Err(error) => not_json(&error),
        }
    })
}

fn parse_array(bytes: &[u8]) -> Result<Items<'_>, ApiError> {
    if let Ok(items) = serde_json::from_slice::<Bounded<RawItem<'_>>>(bytes) {
        return items.checked().map(|items| items.into_iter().map(Ok).collect());
    }
    // Something in it cannot be read: item by item, so that its neighbours are taken all the same.
    let items = serde_json::from_slice::<Bounded<&RawValue>>(bytes).map_err(|error| not_json(&error))?.checked()?;
    Ok(items.into_iter().map(parse_item).collect())
}

fn parse_item(raw: &RawValue) -> Result<RawItem<'_>, serde_json::Error> {
    serde_json::from_str(raw.get())
}

/// The fault of an item that cannot be read.
pub fn unreadable_value(error: &serde_json::Error) -> FieldError {
    // It may quote the value.
    FieldError { pointer: String::new(), code: "invalid", detail: format!("cannot be read: {}", cut(error)) }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::Unreadable(format!("The body is not valid JSON: {}.", cut(error)))
}

/// The elements of an array, counted to its end but kept only up to [`MAX_ITEMS`]: a huge array costs no memory.
struct Bounded<T> {
    items: Vec<T>,
    count: usize,
}

impl<T> Bounded<T> {
    fn checked(self) -> Result<Vec<T>, ApiError> {
        if self.count <= MAX_ITEMS {
            return Ok(self.items);
        }
        let detail = format!("an array may hold at most {MAX_ITEMS} items, this one holds {}", self.count);
        Err(ApiError::Validation(vec![FieldError { pointer: String::new(), code: "too_many_items", detail }]))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<T> {
            type Value = Bounded<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Bounded<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_ITEMS {
                    match elements.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Bounded { count: items.len(), items }),
                    }
                }
                let mut count = items.len();
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    count = count.saturating_add(1);
                }
                Ok(Bounded { items, count })
            }
        }

        deserializer.deserialize_seq(BoundedVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::super::object::ObjectOr;
    use super::{Body, parse};

    fn single(body: &str) -> super::RawItem<'_> {
        match parse(body.as_bytes()) {
            Ok(Body::Single(item)) => item,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_accepted_name_lands_in_its_field() {
        for name in ["disk_free", "free_disk", "free_disk_space", "diskFree", "hd_space_remaining"] {
            let body = format!("{{\"{name}\": 12.5}}");
            assert_eq!(single(&body).disk_free.unwrap().value, Field::Number(12.5), "{name}");
        }
    }

    #[test]
    fn null_is_absent_and_an_escaped_name_is_read() {
        let item = single(r#"{"cpu": null, "cpu_usage": 3, "\u0072am": 4, "unknown": {"deep": [1]}}"#);
        assert_eq!(item.cpu_usage.unwrap().value, Field::Integer(3));
        assert_eq!(item.ram_usage.unwrap().value, Field::Integer(4));
    }

    #[test]
    fn of_a_field_that_comes_twice_the_first_that_is_not_null_counts() {
        let item = single(
            r#"{"cpu": null, "cpu": 1, "cpu": 2, "metrics": null, "metrics": {"a": 1}, "metrics": null,
            "metrics": {"b": 2}}"#,
        );
        assert_eq!(item.cpu_usage.unwrap().value, Field::Integer(1));
        let Some(ObjectOr::Object(metrics)) = item.metrics else { panic!("metrics") };
        assert_eq!(metrics.0.iter().map(|metric| metric.name.as_ref()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn an_unreadable_item_leaves_its_neighbours_alone() {
        let Ok(Body::Array(items)) = parse(br#"[{"cpu": 1}, {"cpu": 1e400}, {"timestamp": "\ud800"}, 7, {"ram": 2}]"#)
        else {
            panic!("an array");
        };
        assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false, true]);
    }

    #[test]
    fn what_is_not_json_is_unreadable_as_a_whole() {
        for body in ["", "  ", "{", "[{\"cpu\": NaN}]", "[1,", "nonsense", "{\"cpu\": 1} trailing"] {
            assert!(matches!(parse(body.as_bytes()), Err(crate::http::error::ApiError::Unreadable(_))), "{body}");
        }
    }
}
