//! A JSON body, read and checked: the response names all of its faults at once.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::body::{MAX_BODY_BYTES, read_body};
use super::fields::{FromFields, from_object};
use crate::http::error::ApiError;
use crate::http::holder::KnownCaller;

/// A body of type `T`.
pub struct Json<T>(pub T);

impl<T: FromFields + Send + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_content_type(request);
        let body = read_body(request, payload, MAX_BODY_BYTES, KnownCaller::of(request));
        Box::pin(async move {
            checked?;
            let body = body.await?;
            if T::MAY_BE_EMPTY && without_bom(&body).is_empty() {
                return from_object(serde_json::Map::new()).map(Self);
            }
            body.read(|bytes| parse(bytes)).await?.map(Self)
        })
    }
}

/// A JSON text without the byte order mark that some editors and libraries put before it.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads a `T` from a JSON text: 400 for what is not a JSON object, 422 with everything that is wrong in it.
pub fn parse<T: FromFields>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = serde_json::from_slice(without_bom(bytes))
        .map_err(|error| ApiError::Unreadable(format!("The body is not valid JSON: {error}.")))?;
    let Value::Object(object) = value else {
        return Err(ApiError::Unreadable("The body must be a JSON object.".into()));
    };
    from_object(object)
}

/// Refuses (415) a body that says it is something other than JSON. One that does not say what it is passes: many small
/// devices do not.
pub fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    use actix_web::HttpMessage;
    // Media types are compared without regard to case (RFC 9110, 8.3.1).
    let content_type = request.content_type();
    let suffix = content_type.len().checked_sub("+json".len()).and_then(|start| content_type.get(start..));
    let is_json = content_type.eq_ignore_ascii_case("application/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"));
    if content_type.is_empty() || is_json {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType("Send application/json."))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::check_content_type;

    #[test]
    fn json_is_json_in_any_case() {
        let passes = |kind: &str| {
            check_content_type(&TestRequest::post().insert_header(("Content-Type", kind)).to_http_request()).is_ok()
        };
        for kind in ["application/json", "Application/JSON; charset=UTF-8", "application/vnd.api+JSON", "a/b+Json", ""]
        {
            assert!(passes(kind), "{kind}");
        }
        for kind in ["text/plain", "application/jsonx", "json", "application/xml+jsonx", "+jso"] {
            assert!(!passes(kind), "{kind}");
        }
    }
}
