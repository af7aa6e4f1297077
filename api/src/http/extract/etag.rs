//! `ETag`, `If-None-Match`, `If-Match` on single resources.
//!
//! A tag is `"<version>.<digest>"`. The version is that of what clients can change; the digest is of the whole answer,
//! which for a device also holds what it last sent. `If-None-Match` looks at all of it, so that a poller sees every
//! heartbeat; `If-Match` looks at the version only, so that a heartbeat does not get in the way of an edit.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, ContentType, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, VARY};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::error::ApiError;

/// Which versions of a resource the client is willing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Whichever there is.
    Any,
    /// One that it has read.
    OneOf(Vec<String>),
}

impl IfMatch {
    /// Checks the version that is there.
    ///
    /// # Errors
    /// 412 when it is another than the client has read.
    pub fn check(&self, updated_at: DateTime<Utc>) -> Result<(), ApiError> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(tags) => {
                let there = version(updated_at);
                let is_there = |tag: &String| tag.split('.').next() == Some(there.as_str());
                if tags.iter().any(is_there) { Ok(()) } else { Err(ApiError::PreconditionFailed) }
            }
        }
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let tags = tags(request, &IF_MATCH);
        let any = tags.is_empty() || tags.iter().any(|tag| tag == "*");
        ready(Ok(if any { Self::Any } else { Self::OneOf(tags) }))
    }
}

/// Answers with `body` and its tag, or with 304 where a reader has it already.
///
/// # Errors
/// When the body cannot be written, which would be our own fault.
pub fn respond(
    request: &HttpRequest,
    status: StatusCode,
    body: &impl Serialize,
    updated_at: DateTime<Utc>,
) -> Result<HttpResponse, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::Internal(Box::new(error)))?;
    let tag = format!("{}.{}", version(updated_at), digest(&bytes));
    let known = request.method().is_safe() && tags(request, &IF_NONE_MATCH).iter().any(|t| *t == tag || t == "*");
    let mut response = HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { status });
    response.insert_header((ETAG, format!("\"{tag}\"")));
    Ok(if known { response.finish() } else { response.insert_header(ContentType::json()).body(bytes) })
}

/// A list that took some work, and the tag of exactly its bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tagged {
    bytes: Bytes,
    tag: String,
}

impl Tagged {
    /// Bytes with their tag.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { tag: digest(&bytes), bytes }
    }

    /// The same in no more memory than its bytes need, for who keeps it: what was written piece by piece has room to grow.
    #[must_use]
    pub fn compact(self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Answers with them, or with 304. The form depends on `Accept`, and whoever keeps it must know.
    #[must_use]
    pub fn respond(self, request: &HttpRequest, media_type: &'static str) -> HttpResponse {
        let Self { bytes, tag } = self;
        let known = tags(request, &IF_NONE_MATCH).iter().any(|t| *t == tag || t == "*");
        let mut response = HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        response.insert_header((ETAG, format!("\"{tag}\""))).insert_header((VARY, ACCEPT.as_str()));
        if known { response.finish() } else { response.insert_header((CONTENT_TYPE, media_type)).body(bytes) }
    }
}

fn version(updated_at: DateTime<Utc>) -> String {
    format!("{:x}", updated_at.timestamp_micros())
}

fn digest(bytes: &[u8]) -> String {
    // 64 bits tell two versions of one resource apart.
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The tags in a header, without their quotes. A proxy that compresses marks them weak; ours hold none the less.
fn tags(request: &HttpRequest, name: &HeaderName) -> Vec<String> {
    let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(bare).filter(|tag| !tag.is_empty()).collect()
}

fn bare(tag: &str) -> String {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
    use actix_web::test::TestRequest;
    use actix_web::{FromRequest, HttpResponse};
    use chrono::{DateTime, TimeDelta};

    use super::{IfMatch, respond};

    fn tag(response: &HttpResponse) -> String {
        response.headers().get(ETAG).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_reader_who_has_it_is_told_so() {
        let at = DateTime::UNIX_EPOCH;
        let first = respond(&TestRequest::get().to_http_request(), StatusCode::OK, &"body", at).unwrap();
        let again = TestRequest::get().insert_header((IF_NONE_MATCH, format!("\"x\", W/{}", tag(&first))));
        let again = again.to_http_request();
        assert_eq!(respond(&again, StatusCode::OK, &"body", at).unwrap().status(), StatusCode::NOT_MODIFIED);
        assert_eq!(respond(&again, StatusCode::OK, &"other", at).unwrap().status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn an_edit_is_checked_against_the_version_not_the_whole_answer() {
        let at = DateTime::UNIX_EPOCH;
        let first = respond(&TestRequest::get().to_http_request(), StatusCode::OK, &"body", at).unwrap();
        let edit = TestRequest::patch().insert_header((IF_MATCH, tag(&first))).to_http_request();
        let if_match = IfMatch::extract(&edit).await.unwrap();
        assert!(if_match.check(at).is_ok());
        assert!(if_match.check(at + TimeDelta::microseconds(1)).is_err());
        let whichever = IfMatch::extract(&TestRequest::patch().to_http_request()).await.unwrap();
        assert_eq!(whichever, IfMatch::Any);
    }
}
