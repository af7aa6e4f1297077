//! The one HTTP error: every failure becomes an [`ApiError`], every [`ApiError`] becomes one shape of body (RFC 9457).
//!
//! Handlers and extractors return it; [`crate::http::middleware`] adds the request's id, and logs it there and nowhere else.

use std::borrow::Cow;
use std::time::Duration;

use crate::db::DbPoolError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::rate_limit_headers::{RateLimitExceeded, append_exceeded};

/// What an unavailable dependency's clients are told to wait before they try again.
const RETRY_AFTER_OUTAGE: Duration = Duration::from_secs(1);

/// Most faults in one response. Whoever judges many things stops to look for faults there; [`Problem`] holds no more in
/// any case.
pub const MAX_FAULTS: usize = 100;

/// Longest text that a fault repeats of what was sent, in characters.
const MAX_QUOTED_CHARS: usize = 200;

/// One thing wrong in a body or a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON Pointer into the body, or the parameter's name behind `/`.
    #[schema(example = "/cpu_usage")]
    pub pointer: String,
    /// What, for programs: `required`, `wrong_type`, `out_of_range`, …
    #[schema(example = "out_of_range")]
    pub code: &'static str,
    /// What, for people.
    #[schema(example = "must be between 0 and 100 %")]
    pub detail: String,
}

impl FieldError {
    /// An error at `/field`.
    pub fn new(field: &str, code: &'static str, detail: impl ToString) -> Self {
        Self { pointer: format!("/{field}"), code, detail: detail.to_string() }
    }

    /// The last of a response's faults, where there are more than it holds.
    pub fn more(detail: String) -> Self {
        Self { pointer: String::new(), code: "more", detail }
    }
}

/// A text that may quote what was sent, cut to a bounded length.
pub fn cut(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => text.get(..end).map_or_else(String::new, |head| format!("{head}…")),
        None => text,
    }
}

/// As many of the faults as a response holds, and how many more there are.
fn listed(faults: &[FieldError]) -> Cow<'_, [FieldError]> {
    let Some((head, rest)) = faults.split_at_checked(MAX_FAULTS - 1).filter(|(_, rest)| rest.len() > 1) else {
        return Cow::Borrowed(faults);
    };
    let more = FieldError::more(format!("{} more faults are not listed", rest.len()));
    Cow::Owned(head.iter().cloned().chain([more]).collect())
}

/// The body of every error (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem<'a> {
    /// What kind of problem, as a URI reference.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation")]
    pub kind: String,
    /// The kind, for people.
    #[schema(example = "Validation failed")]
    pub title: &'static str,
    /// The HTTP status, again.
    #[schema(example = 422)]
    pub status: u16,
    /// What happened this time.
    #[schema(example = "1 field is not valid.")]
    pub detail: String,
    /// The request's id, as in `X-Request-Id` and in our logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "01JD3ZK8M4T0Q2V6X9Y7B5C1RA")]
    pub instance: Option<&'a str>,
    /// The limit that is used up, as in `RateLimit-RateLimitPolicy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "login-address")]
    pub limit: Option<&'static str>,
    /// All that is wrong, not the first of it; at most 100 faults, the last of which then says how many more there are.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

/// One fault is told right here; of several, how many.
fn describe_faults(faults: &[FieldError]) -> String {
    match faults {
        // A detail that is a sentence of its own needs no subject.
        [only] if only.pointer.is_empty() || only.detail.starts_with(char::is_uppercase) => only.detail.clone(),
        [only] => format!("{} {}", only.pointer, only.detail),
        several => format!("{} fields are not valid.", several.len()),
    }
}

/// Everything a request can fail of. The texts are what the client reads.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400
    #[error("{0}")]
    Unreadable(String),
    /// 401
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: unknown, and also somebody else's.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// 405
    #[error("This address does not take this method.")]
    MethodNotAllowed,
    /// 408
    #[error("The body took too long to arrive.")]
    BodyTimeout,
    /// 409
    #[error("{0}")]
    Conflict(&'static str),
    /// 409, with everything that stands in the way.
    #[error("{}", describe_faults(.0))]
    Conflicts(Vec<FieldError>),
    /// 412: `If-Match` named another version.
    #[error("The resource has changed since you read it; read it again.")]
    PreconditionFailed,
    /// 428: it may write over what others have changed meanwhile.
    #[error("{0}")]
    PreconditionRequired(&'static str),
    /// 413
    #[error("{0}")]
    TooLarge(String),
    /// 415
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 415, of the body's compression.
    #[error("Send the body as it is, or with one of these encodings: gzip, deflate (in the zlib format, not raw).")]
    UnsupportedEncoding,
    /// 422
    #[error("{}", describe_faults(.0))]
    Validation(Vec<FieldError>),
    /// 429
    #[error("Too many requests: the limit {} is used up.", .0.policy.name)]
    TooManyRequests(RateLimitExceeded),
    /// 507
    #[error("{0}")]
    InsufficientStorage(&'static str),
    /// 503: a dependency is unavailable; nothing was promised.
    #[error("{what} is unavailable; send it again in a moment.")]
    Unavailable {
        /// What is unavailable, in words that tell nothing of the inside.
        what: &'static str,
        /// What the operator needs to know.
        cause: String,
    },
    /// 503 of this replica alone: the client is to come back on a new connection, which may lead it to another one.
    #[error("The message broker is unavailable; send it again in a moment.")]
    CannotPublish(String),
    /// 500: our own fault. The cause is logged, never answered.
    #[error("Something went wrong on our side; it has been logged under the request's id.")]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// A single field's validation error.
    pub fn field(field: &str, code: &'static str, detail: impl ToString) -> Self {
        Self::Validation(vec![FieldError::new(field, code, detail)])
    }

    /// What the operator needs to know beyond what the client reads.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Unavailable { cause, .. } | Self::CannotPublish(cause) => Some(cause.clone()),
            Self::Internal(source) => Some(source.to_string()),
            Self::Validation(errors) | Self::Conflicts(errors) => serde_json::to_string(&listed(errors)).ok(),
            _ => None,
        }
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable", "Unreadable request"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::Conflict(_) | Self::Conflicts(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition-failed", "Changed meanwhile"),
            Self::PreconditionRequired(_) => {
                (StatusCode::PRECONDITION_REQUIRED, "precondition-required", "If-Match is missing")
            }
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "timeout", "Too slow"),
            Self::UnsupportedMediaType(_) | Self::UnsupportedEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::Validation(_) => (StatusCode::UNPROCESSABLE_ENTITY, "validation", "Validation failed"),
            Self::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::InsufficientStorage(_) => (StatusCode::INSUFFICIENT_STORAGE, "insufficient-storage", "No room"),
            Self::Unavailable { .. } | Self::CannotPublish(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable")
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// The answer, with the request's id in it.
    pub fn to_response(&self, request_id: Option<&str>) -> HttpResponse {
        let (status, kind, title) = self.kind();
        let mut response = HttpResponse::build(status);
        self.insert_headers(&mut response);
        let errors = match self {
            Self::Validation(errors) | Self::Conflicts(errors) => listed(errors),
            _ => Cow::Borrowed([].as_slice()),
        };
        let errors = errors.as_ref();
        let kind = format!("/problems/{kind}");
        let detail = self.to_string();
        let limit = if let Self::TooManyRequests(refusal) = self { Some(refusal.policy.name) } else { None };
        let problem = Problem { kind, title, status: status.as_u16(), detail, instance: request_id, limit, errors };
        let mut response = response.insert_header((CONTENT_TYPE, "application/problem+json")).json(problem);
        if let Self::TooManyRequests(refusal) = self {
            append_exceeded(response.headers_mut(), refusal);
        }
        response
    }

    fn insert_headers(&self, response: &mut HttpResponseBuilder) {
        match self {
            Self::Unauthorized(_) => response.insert_header((WWW_AUTHENTICATE, "Bearer")),
            Self::UnsupportedEncoding => response.insert_header((ACCEPT_ENCODING, "gzip, deflate")),
            Self::TooManyRequests(refusal) => response.insert_header((RETRY_AFTER, refusal.retry_after_s())),
            Self::Unavailable { .. } => response.insert_header((RETRY_AFTER, RETRY_AFTER_OUTAGE.as_secs())),
            Self::CannotPublish(_) => response.insert_header((RETRY_AFTER, RETRY_AFTER_OUTAGE.as_secs())).force_close(),
            _ => response,
        };
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        self.to_response(None)
    }
}

impl From<RateLimitExceeded> for ApiError {
    fn from(refusal: RateLimitExceeded) -> Self {
        Self::TooManyRequests(refusal)
    }
}

impl From<DbPoolError> for ApiError {
    fn from(error: DbPoolError) -> Self {
        Self::Unavailable { what: "The database", cause: error.to_string() }
    }
}

impl From<DieselError> for ApiError {
    fn from(error: DieselError) -> Self {
        let is_outage = match &error {
            DieselError::DatabaseError(kind, information) => is_outage(kind, information.as_ref()),
            DieselError::BrokenTransactionManager => true,
            _ => false,
        };
        if is_outage {
            Self::Unavailable { what: "The database", cause: error.to_string() }
        } else {
            Self::Internal(Box::new(error))
        }
    }
}

/// Whether the statement failed for the server's state, and may succeed when it is sent again.
fn is_outage(kind: &DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> bool {
    match kind {
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::SerializationFailure
        | DatabaseErrorKind::ReadOnlyTransaction => true,
        // Neither a kind nor the SQLSTATE is passed on by diesel for a server that is stopping, a statement that took too
        // long, a deadlock, a full disk; nor for a mistake of ours in a statement. Only the mistake has a place in it.
        DatabaseErrorKind::Unknown => information.statement_position().is_none(),
        _ => false,
    }
}

/// Whether `error` is a violation of the constraint called `name`.
pub fn violates(error: &DieselError, name: &str) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.constraint_name() == Some(name))
}
