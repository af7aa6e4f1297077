//! Around every request: its path without a `/` at its end, its id, the one place that logs errors, the count of
//! answers.

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use ulid::Ulid;

use crate::error::ApiError;

/// The header in which a request's id comes and goes.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not echoed but replaced: it goes into every log line and every message.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The id of a request: the client's, where it is short and printable, or a new ULID.
#[derive(Debug, Clone)]
pub struct RequestId(Rc<str>);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let printable = |id: &&str| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(printable);
        Self(given.map_or_else(|| Ulid::generate().array_to_str(&mut [0; ulid::ULID_LEN]).into(), Rc::from))
    }

    /// The id of this request.
    #[must_use]
    pub fn of_request(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_else(|| Self::of(request.headers()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The middleware.
///
/// # Errors
/// Only what another middleware inside fails of; whatever a handler or an extractor fails of becomes an answer here.
pub async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Every GET answers HEAD too; the server leaves the body out.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    trim_path(&mut request);
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    // A handler's or an extractor's error is in the response already. (The request must not be cloned before: the
    // router wants it for itself.)
    let mut response = finish(next.call(request).await?, &id);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    crate::metrics::count_answer(response.status());
    Ok(response)
}

/// `/tasks/` is `/tasks`, and so is `//tasks`. The server's own middleware for it runs a regular expression over every
/// path; nearly all paths are tidy.
fn trim_path(request: &mut ServiceRequest) {
    let Some(path) = tidy(request.path()) else { return };
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = target.parse().ok();
    if let (true, Ok(uri)) = (parts.path_and_query.is_some(), Uri::from_parts(parts)) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// The path as it should be; `None` where it is so already.
fn tidy(path: &str) -> Option<String> {
    if path.len() < 2 || !(path.ends_with('/') || path.contains("//")) {
        return None;
    }
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Some(format!("/{}", segments.join("/")))
}

fn finish<B: MessageBody + 'static>(response: ServiceResponse<B>, id: &RequestId) -> ServiceResponse<BoxBody> {
    if response.status().as_u16() < 400 {
        return response.map_into_boxed_body();
    }
    let Some(problem) = response.response().error().map(|error| answer(error, id)) else {
        return response.map_into_boxed_body();
    };
    response.into_response(problem)
}

/// Turns whatever failed into the one shape, and logs it: our faults as errors, the client's for those who look.
fn answer(error: &Error, id: &RequestId) -> actix_web::HttpResponse {
    let foreign;
    let api_error = match error.as_error::<ApiError>() {
        Some(api_error) => api_error,
        None => {
            foreign = from_framework(error);
            &foreign
        }
    };
    let response = api_error.to_response(Some(id.as_str()));
    let (status, cause) = (response.status().as_u16(), api_error.cause());
    if status >= 500 {
        tracing::error!(request_id = id.as_str(), status, error = %api_error, cause, "request failed");
    } else {
        tracing::debug!(request_id = id.as_str(), status, error = %api_error, cause, "request refused");
    }
    response
}

/// What actix-web itself found wrong before one of our handlers ran.
fn from_framework(error: &Error) -> ApiError {
    match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => ApiError::NotFound("address"),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge("The body is too large.".into()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType,
        status if status.is_client_error() => ApiError::Unreadable(error.to_string()),
        _ => ApiError::Internal(error.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_path_loses_its_superfluous_slashes() {
        for (path, expected) in [("/tasks/", "/tasks"), ("/tasks//", "/tasks"), ("//a///b/", "/a/b"), ("//", "/")] {
            assert_eq!(tidy(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/", "/tasks", "/a/b", ""] {
            assert_eq!(tidy(path), None, "{path}");
        }
    }
}
