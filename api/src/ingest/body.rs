//! From bytes to [`RawItem`]s: every name we accept, every value as it came, nothing judged yet.
//!
//! Values are kept as [`Field`]s instead of being forced into numbers here, so that one pass finds every fault of an
//! item instead of stopping at the first.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fields::Bounded;
use crate::http::error::{ApiError, FieldError};

/// Most items in one request.
pub const MAX_ITEMS: usize = 1_000;

/// A JSON value, as far as we look into one.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(Cow<'a, str>),
    /// An array, or an object where none belongs.
    Other,
}

/// A field's value under the name it came with; absent and `null` are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<'a> {
    /// The name in the body, for the error's pointer.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Field<'a>,
}

/// One heartbeat or reading as it came.
#[derive(Debug, Default, PartialEq)]
pub struct RawItem<'a> {
    /// Which device.
    pub device: Option<Named<'a>>,
    /// `timestamp`.
    pub timestamp: Option<Named<'a>>,
    /// `cpu_usage`.
    pub cpu_usage: Option<Named<'a>>,
    /// `ram_usage`.
    pub ram_usage: Option<Named<'a>>,
    /// `disk_free`.
    pub disk_free: Option<Named<'a>>,
    /// `temperature`.
    pub temperature: Option<Named<'a>>,
    /// `latency`.
    pub latency: Option<Named<'a>>,
    /// `connectivity`.
    pub connectivity: Option<Named<'a>>,
    /// `boot_time`.
    pub boot_time: Option<Named<'a>>,
    /// `humidity`.
    pub humidity: Option<Named<'a>>,
    /// `voltage`.
    pub voltage: Option<Named<'a>>,
    /// `current`.
    pub current: Option<Named<'a>>,
    /// `metrics`.
    pub metrics: Option<RawMetrics<'a>>,
}

/// The value of `metrics`.
#[derive(Debug, PartialEq)]
pub enum RawMetrics<'a> {
    /// An object.
    Object(Vec<Named<'a>>),
    /// Anything else.
    Other,
}

/// A request's items: each one read, or what made it unreadable.
pub type Items<'a> = Vec<Result<RawItem<'a>, FieldError>>;

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
///
/// # Errors
/// 400 for what is not JSON, or neither an object nor an array; 422 for more than [`MAX_ITEMS`].
pub fn parse(bytes: &[u8]) -> Result<Body<'_>, ApiError> {
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

fn parse_item(raw: &RawValue) -> Result<RawItem<'_>, FieldError> {
    serde_json::from_str(raw.get()).map_err(|error| unreadable_value(&error))
}

fn unreadable_value(error: &serde_json::Error) -> FieldError {
    FieldError { pointer: String::new(), code: "invalid", detail: format!("cannot be read: {error}") }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::Unreadable(format!("The body is not valid JSON: {error}."))
}

#[cfg(test)]
mod tests {
    use super::{Body, Field, RawMetrics, parse};

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
        assert_eq!(item.cpu_usage.unwrap().value, Field::Number(3.0));
        assert_eq!(item.ram_usage.unwrap().value, Field::Number(4.0));
    }

    #[test]
    fn of_a_field_that_comes_twice_the_first_that_is_not_null_counts() {
        let item = single(
            r#"{"cpu": null, "cpu": 1, "cpu": 2, "metrics": null, "metrics": {"a": 1}, "metrics": null,
            "metrics": {"b": 2}}"#,
        );
        assert_eq!(item.cpu_usage.unwrap().value, Field::Number(1.0));
        let Some(RawMetrics::Object(metrics)) = item.metrics else { panic!("metrics") };
        assert_eq!(metrics.iter().map(|metric| metric.name.as_ref()).collect::<Vec<_>>(), ["a"]);
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
