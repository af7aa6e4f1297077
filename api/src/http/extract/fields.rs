//! The fields of a body, read one by one so that every fault is found, and `body!`, which describes a body once.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::value;
use crate::http::error::{ApiError, FieldError};

/// A type that reads itself from a JSON object, field by field, so that every fault is found. [`body!`] implements it.
pub trait FromFields: Sized {
    /// Whether no body at all is as good as `{}`.
    const MAY_BE_EMPTY: bool = false;

    /// Takes its fields; faults go into `fields`. The result counts only if there were none.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// Reads a `T` from a JSON object.
///
/// # Errors
/// 422 with everything that is wrong in it.
pub fn from_object<T: FromFields>(object: serde_json::Map<String, Value>) -> Result<T, ApiError> {
    let mut fields = Fields { object, errors: Vec::new() };
    match T::from_fields(&mut fields) {
        Some(parsed) if fields.errors.is_empty() => Ok(parsed),
        _ => Err(ApiError::Validation(fields.errors)),
    }
}

/// The fields of a JSON object, and what was found wrong in them so far.
pub struct Fields {
    object: serde_json::Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// The name under which a field was sent, of those it may have; its first name when it was not sent.
    pub fn given_name(&self, names: Names) -> &'static str {
        let given = names.iter().find(|name| self.object.contains_key(**name));
        given.or(names.first()).copied().unwrap_or_default()
    }

    /// Whether the field was sent, be it as `null`: a PATCH tells "clear it" from "leave it".
    pub fn was_sent(&self, names: Names) -> bool {
        names.iter().any(|name| self.object.contains_key(*name))
    }

    /// Takes a field's value; `None` when it was not sent. The name stays, for [`Self::given_name`].
    pub fn take(&mut self, names: Names) -> Option<Value> {
        self.object.get_mut(self.given_name(names)).map(Value::take)
    }

    /// Reads a value; its fault becomes the field's.
    pub fn read<T: DeserializeOwned>(&mut self, names: Names, value: Value) -> Option<T> {
        let read = value::read(value);
        read.map_err(|fault| self.fault(self.given_name(names), fault.code, fault.detail)).ok()
    }

    /// Notes that a field is wrong.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        self.errors.push(FieldError::new(name, code, detail));
    }
}

/// The names that a field may have; where several are sent, the first of them counts.
pub type Names = &'static [&'static str];

// How a field is read. All of these answer `None` when the field is wrong, which they have noted by then.

/// A field that has to be there.
pub fn required<T: DeserializeOwned>(fields: &mut Fields, names: Names) -> Option<T> {
    match fields.take(names) {
        None | Some(Value::Null) => {
            fields.fault(fields.given_name(names), "required", "is required");
            None
        }
        Some(value) => fields.read(names, value),
    }
}

/// A field that need not be there; `null` is as good as absent.
pub fn optional<T: DeserializeOwned>(fields: &mut Fields, names: Names) -> Option<Option<T>> {
    match fields.take(names) {
        None | Some(Value::Null) => Some(None),
        Some(value) => fields.read(names, value).map(Some),
    }
}

/// As [`optional`], but a blank text, which is what forms send for an empty box, is as good as absent too.
pub fn optional_text<T: DeserializeOwned>(fields: &mut Fields, names: Names) -> Option<Option<T>> {
    match fields.take(names) {
        Some(Value::String(text)) if text.trim().is_empty() => Some(None),
        None | Some(Value::Null) => Some(None),
        Some(value) => fields.read(names, value).map(Some),
    }
}

/// As [`optional`], with a default.
pub fn or_default<T: DeserializeOwned + Default>(fields: &mut Fields, names: Names) -> Option<T> {
    optional(fields, names).map(Option::unwrap_or_default)
}

/// A field of a PATCH that cannot be cleared: absent is "leave it".
pub fn change<T: DeserializeOwned>(fields: &mut Fields, names: Names) -> Option<Option<T>> {
    if fields.was_sent(names) { required(fields, names).map(Some) } else { Some(None) }
}

/// A field of a PATCH: absent is "leave it", `null` and a blank text are "clear it".
pub fn change_text<T: DeserializeOwned>(fields: &mut Fields, names: Names) -> Option<Option<Option<T>>> {
    if fields.was_sent(names) { optional_text(fields, names).map(Some) } else { Some(None) }
}

/// Describes a body once: a struct with its schema, whose fields say how they are read.
///
/// ```text
/// body! {
///     /// Changes of a device; what is left out stays.
///     #[schema(as = DeviceChangesBody)]
///     pub struct DeviceChanges {
///         /// What it is called.
///         #[schema(value_type = Option<String>, max_length = 200)]
///         pub name: Option<Label> = change,                       // a function of this file, or one of your own
///         /// Its serial number; `null` clears it.
///         #[schema(value_type = Option<String>, rename = "sn")]
///         pub serial_number: Option<Option<SerialNumber>> = change_text("serial_number", "sn"),   // its names
///     }
///     const MAY_BE_EMPTY: bool = true;       // if no body at all is as good as `{}`
///     then(fields) {                         // if fields depend on each other: each is an `Option`, `None` when wrong
///         check_something(fields, &name, &serial_number);
///     }
/// }
/// ```
macro_rules! body {
    (@names $field:ident) => { &[stringify!($field)] };
    (@names $field:ident $($name:literal)+) => { &[$($name),+] };
    (
        $(#[$about:meta])*
        pub struct $body:ident {
            $($(#[$field_about:meta])* pub $field:ident: $type:ty = $read:ident $(($($name:literal),+))?,)+
        }
        $(const MAY_BE_EMPTY: bool = $may_be_empty:literal;)?
        $(then($fields:ident) { $($then:tt)+ })?
    ) => {
        #[derive(utoipa::ToSchema)]
        $(#[$about])*
        pub struct $body {
            $($(#[$field_about])* pub $field: $type,)+
        }

        impl $crate::http::extract::fields::FromFields for $body {
            $(const MAY_BE_EMPTY: bool = $may_be_empty;)?

            fn from_fields(fields: &mut $crate::http::extract::fields::Fields) -> Option<Self> {
                $(let $field = $read(fields, $crate::http::extract::fields::body!(@names $field $($($name)+)?));)+
                $(let $fields = fields; $($then)+)?
                Some(Self { $($field: $field?),+ })
            }
        }
    };
}
pub(crate) use body;

#[cfg(test)]
mod tests {
    use super::{change, change_text};
    use crate::http::error::ApiError;
    use crate::http::extract::json::parse;

    body! {
        pub struct Change {
            pub kept: Option<String> = change,
            pub cleared: Option<Option<String>> = change_text("cleared", "emptied"),
        }
    }

    fn codes(body: &str) -> Vec<(String, &'static str)> {
        match parse::<Change>(body.as_bytes()) {
            Err(ApiError::Validation(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_patch_tells_clear_it_from_leave_it() {
        let parsed = |body: &str| parse::<Change>(body.as_bytes()).map(|body| (body.kept, body.cleared)).unwrap();
        assert_eq!(parsed("{}"), (None, None));
        assert_eq!(parsed(r#"{"cleared": null}"#), (None, Some(None)));
        assert_eq!(parsed(r#"{"cleared": " "}"#), (None, Some(None)));
        assert_eq!(parsed(r#"{"cleared": "x", "kept": "y"}"#), (Some("y".into()), Some(Some("x".into()))));
    }

    #[test]
    fn all_faults_are_told_at_once_under_the_name_that_was_sent() {
        let expected = [("/kept", "required"), ("/emptied", "wrong_type")];
        assert_eq!(codes(r#"{"kept": null, "emptied": 5}"#), expected.map(|(p, code)| (p.to_owned(), code)));
    }
}
