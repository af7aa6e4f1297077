//! A JSON body, read and checked: all of its faults are told at once.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ApiError, FieldError};

/// A body of type `T`. `T` reads itself out of a [`Fields`], field by field, so that every fault is found.
pub struct Json<T>(pub T);

/// A type that reads itself from a JSON object.
pub trait FromFields: Sized {
    /// Takes its fields; faults go into `fields`. The result counts only if there were none.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

impl<T: FromFields + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_content_type(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            checked?;
            parse(&bytes.await.map_err(unreadable)?).map(Self)
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
    if content_type.is_empty() || essence_is_json { Ok(()) } else { Err(ApiError::UnsupportedMediaType) }
}

/// What went wrong while the body was being received, as an answer.
#[must_use]
pub fn unreadable(error: actix_web::Error) -> ApiError {
    match error.as_response_error().status_code() {
        actix_web::http::StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge("The body is too large.".into()),
        _ => ApiError::Unreadable(format!("The body could not be read: {error}.")),
    }
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
                self.fault(name, "invalid", error);
                None
            }
        }
    }

    /// Takes a field that has to be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.fault(name, "required", "is required");
            return None;
        }
        self.optional(name)
    }

    /// Whether the field is there, be it `null`: a PATCH tells "clear it" from "leave it".
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Notes that a field is wrong.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        self.errors.push(FieldError::new(name, code, detail));
    }
}
