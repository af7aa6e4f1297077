//! Every failure becomes a problem response, and is logged in this one place.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use futures_util::FutureExt;

use crate::http::error::ApiError;
use crate::http::metrics::count_limit_exceeded;
use crate::http::rate_limit_headers::{add_rate_limits, copy_rate_limits};
use crate::http::request_id::{REQUEST_ID, RequestId};

/// Calls the handler; its error becomes the response. What another middleware inside fails of passes through.
pub async fn call<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    id: &RequestId,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // A handler's or an extractor's error is in the response already. (The request must not be cloned before: the
    // router wants it for itself.)
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(response) => Ok(finish(response?, id)),
        Err(panic) => Err(after_panic(panic.as_ref(), id)),
    }
}

/// A panic is a 500: without this the client would see a broken connection, and nobody a log line.
fn after_panic(panic: &(dyn Any + Send), id: &RequestId) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let error = ApiError::Internal(format!("panic: {text}").into());
    let mut response = answer_error(&error, id);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    InternalError::from_response("a handler panicked", response).into()
}

fn finish<B: MessageBody + 'static>(response: ServiceResponse<B>, id: &RequestId) -> ServiceResponse<BoxBody> {
    if response.status().as_u16() < 400 {
        return response.map_into_boxed_body();
    }
    let Some(mut problem) = response.response().error().map(|error| answer(error, id)) else {
        return response.map_into_boxed_body();
    };
    // The admission middleware, which is inside, has added them to the response that the problem replaces.
    copy_rate_limits(response.headers(), problem.headers_mut());
    response.into_response(problem)
}

/// The problem response for an error that came up when there was a response already.
pub fn replace(response: ServiceResponse<BoxBody>, error: &ApiError, id: &RequestId) -> ServiceResponse<BoxBody> {
    let mut problem = answer_error(error, id);
    add_rate_limits(response.headers(), problem.headers_mut());
    response.into_response(problem)
}

/// Turns any error into a problem response, and logs it.
fn answer(error: &Error, id: &RequestId) -> HttpResponse {
    let foreign;
    let api_error = match error.as_error::<ApiError>() {
        Some(api_error) => api_error,
        None => {
            foreign = from_framework(error);
            &foreign
        }
    };
    answer_error(api_error, id)
}

/// The problem response for an error, which is logged here and nowhere else: 5xx as error, 4xx as debug.
fn answer_error(api_error: &ApiError, id: &RequestId) -> HttpResponse {
    let response = api_error.to_response(Some(id.as_str()));
    let status = response.status().as_u16();
    if let ApiError::TooManyRequests(exceeded) = api_error {
        count_limit_exceeded(exceeded.policy.name);
    }
    // The cause is a text of some kilobytes that is made for the line alone: the macro asks for it where it is written.
    // Two places for errors, because each has its own share of lines: an outage must not hide a fault of ours.
    if matches!(api_error, ApiError::Unavailable { .. } | ApiError::CannotPublish(_)) {
        tracing::error!(request_id = id.as_str(), status, error = %api_error, cause = api_error.cause(), "request failed");
    } else if status >= 500 {
        tracing::error!(request_id = id.as_str(), status, error = %api_error, cause = api_error.cause(), "request failed");
    } else {
        tracing::debug!(request_id = id.as_str(), status, error = %api_error, cause = api_error.cause(), "request refused");
    }
    response
}

/// What actix-web itself found wrong before one of our handlers ran.
fn from_framework(error: &Error) -> ApiError {
    match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => ApiError::NotFound("address"),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge("The body is too large.".into()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType("Send application/json."),
        status if status.is_client_error() => ApiError::Unreadable(error.to_string()),
        _ => ApiError::Internal(error.to_string().into()),
    }
}
