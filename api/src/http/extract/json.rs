//! A JSON body, read and checked: all of its faults are told at once.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::body::{MAX_BODY_BYTES, read_body};
use crate::http::error::{ApiError, FieldError};

/// A body of type `T`. `T` reads itself out of a [`Fields`], field by field, so that every fault is found.
pub struct Json<T>(pub T);

/// A type that reads itself from a JSON object.
pub trait FromFields: Sized {
    /// Whether no body at all is as good as `{}`.
    const MAY_BE_EMPTY: bool = false;

    /// Takes its fields; faults go into `fields`. The result counts only if there were none.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

impl<T: FromFields + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_content_type(request);
        let bytes = read_body(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            checked?;
            let bytes = bytes.await?;
            if T::MAY_BE_EMPTY && bytes.is_empty() {
                return from_object(serde_json::Map::new()).map(Self);
            }
            parse(&bytes).map(Self)
        })
    }
}

/// Reads a `T` from a JSON text.
///
/// # Errors
/// 400 for what is not a JSON object, 422 with everything that is wrong in it.
pub fn parse<T: FromFields>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::Unreadable(format!("The body is not valid JSON: {error}.")))?;
    let Value::Object(object) = value else {
        return Err(ApiError::Unreadable("The body must be a JSON object.".into()));
    };
    from_object(object)
}

/// Reads a `T` from a JSON object.
///
/// # Errors
/// 422 with everything that is wrong in it.
pub fn from_object<T: FromFields>(object: serde_json::Map<String, Value>) -> Result<T, ApiError> {
    let mut fields = Fields { object, errors: Vec::new() };
    let parsed = T::from_fields(&mut fields);
    match parsed {
        Some(parsed) if fields.errors.is_empty() => Ok(parsed),
        _ => Err(ApiError::Validation(fields.errors)),
    }
}

/// Refuses a body that says it is something other than JSON.
///
/// # Errors
/// 415. A body that does not say what it is passes: many small devices do not.
pub fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    use actix_web::HttpMessage;
    let content_type = request.content_type();
    let essence_is_json = content_type.eq_ignore_ascii_case("application/json") || content_type.ends_with("+json");
    if content_type.is_empty() || essence_is_json {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType("Send application/json."))
    }
}

/// serde's words for a value it cannot take, in ours. The value is left out of them: it may be a password.
fn explain(words: &str) -> (&'static str, String) {
    // Only in its words does serde tell a wrong type from a value that one of our types refused.
    let code = if words.starts_with("invalid type") { "wrong_type" } else { "invalid" };
    let detail = match words.rsplit_once(", expected ") {
        Some((_, "i64" | "u32" | "i32")) => "must be a whole number".to_owned(),
        Some((_, expected)) => format!("must be {expected}"),
        None => words.to_owned(),
    };
    (code, detail)
}

/// The fields of a JSON object, and what was found wrong in them so far.
pub struct Fields {
    object: serde_json::Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Takes an optional field; `null` is as good as absent.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let value = self.object.remove(name).filter(|value| !value.is_null())?;
        match serde_json::from_value(value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let (code, detail) = explain(&error.to_string());
                self.fault(name, code, detail);
                None
            }
        }
    }

    /// Takes an optional text; a blank one, which is what forms send for an empty box, is as good as absent.
    pub fn optional_text<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let is_blank = self.object.get(name).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
        if is_blank {
            self.object.remove(name);
        }
        self.optional(name)
    }

    /// Takes an optional text of a PATCH: absent is "leave it", `null` and blank are "clear it".
    pub fn change_text<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.is_given(name).then(|| self.optional_text(name))
    }

    /// Takes a field of a PATCH that cannot be cleared.
    pub fn change<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if self.is_given(name) { self.required(name) } else { None }
    }

    /// The first of a field's names that is there, or its first name.
    #[must_use]
    pub fn name_given(&self, names: [&'static str; 2]) -> &'static str {
        let [first, other] = names;
        if !self.is_given(first) && self.is_given(other) { other } else { first }
    }

    /// Takes a field that has to be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.fault(name, "required", "is required");
            return None;
        }
        self.optional(name)
    }

    /// Takes a field that has to be there and may hold any JSON, `null` among it.
    pub fn required_json(&mut self, name: &'static str) -> Option<Value> {
        let value = self.object.remove(name);
        if value.is_none() {
            self.fault(name, "required", "is required");
        }
        value
    }

    /// Whether the field is there, be it `null`: a PATCH tells "clear it" from "leave it".
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether the field has been found wrong.
    #[must_use]
    pub fn has_fault(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.pointer.strip_prefix('/') == Some(name))
    }

    /// Notes that a field is wrong.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        self.errors.push(FieldError::new(name, code, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, FromFields, explain, parse};
    use crate::http::error::ApiError;

    struct Change(Option<String>, Option<Option<String>>);

    impl FromFields for Change {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            Some(Self(fields.change("kept"), fields.change_text("cleared")))
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
        let parsed =
            |body: &str| parse::<Change>(body.as_bytes()).map(|Change(kept, cleared)| (kept, cleared)).unwrap();
        assert_eq!(parsed("{}"), (None, None));
        assert_eq!(parsed(r#"{"cleared": null}"#), (None, Some(None)));
        assert_eq!(parsed(r#"{"cleared": " "}"#), (None, Some(None)));
        assert_eq!(parsed(r#"{"cleared": "x", "kept": "y"}"#), (Some("y".into()), Some(Some("x".into()))));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let expected = [("/kept", "required"), ("/cleared", "wrong_type")];
        assert_eq!(codes(r#"{"kept": null, "cleared": 5}"#), expected.map(|(p, code)| (p.to_owned(), code)));
    }

    #[test]
    fn a_fault_does_not_repeat_the_value() {
        let whole = explain("invalid type: string \"10\", expected i64");
        assert_eq!(whole, ("wrong_type", "must be a whole number".to_owned()));
        let text = explain("invalid type: integer `12345678`, expected a string");
        assert_eq!(text, ("wrong_type", "must be a string".to_owned()));
        let variant = explain("unknown variant `x`, expected `open` or `token`");
        assert_eq!(variant, ("invalid", "must be `open` or `token`".to_owned()));
        assert_eq!(explain("must be 12 digits"), ("invalid", "must be 12 digits".to_owned()));
    }
}
