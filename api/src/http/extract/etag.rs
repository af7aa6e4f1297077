//! `ETag`, `If-None-Match`, `If-Match`.
//!
//! The tag of a resource is `"<version>.<digest>"`. The version is that of what clients can change; the digest is of the
//! whole body, which for a device also holds what it last sent. `If-None-Match` compares all of it, so that a poller sees
//! every heartbeat; `If-Match` compares the version only, so that a heartbeat does not get in the way of an edit.
//!
//! A proxy that compresses marks tags as weak; they are compared as if they were not.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ACCEPT, CONTENT_TYPE, ContentType, ETAG, EntityTag, Header, IfNoneMatch, VARY};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::error::ApiError;

/// Hex digits of a digest: 64 bits tell two versions of one resource apart.
const DIGEST_DIGITS: usize = 16;

/// Which versions of a resource the client is willing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// It does not say.
    Absent,
    /// Whichever there is.
    Any,
    /// One that it has read; none, where the header holds no tag.
    OneOf(Vec<EntityTag>),
}

impl IfMatch {
    /// Checks the current version; 412 where the client has read another.
    pub fn check(&self, updated_at: DateTime<Utc>) -> Result<(), ApiError> {
        let current = version(updated_at);
        let is_current = |tag: &EntityTag| tag.tag().split('.').next() == Some(current.as_str());
        match self {
            Self::OneOf(tags) if !tags.iter().any(is_current) => Err(ApiError::PreconditionFailed),
            Self::Absent | Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_absent = request.headers().get_all(header::IF_MATCH).all(header::HeaderValue::is_empty);
        ready(Ok(match header::IfMatch::parse(request) {
            _ if is_absent => Self::Absent,
            Ok(header::IfMatch::Any) => Self::Any,
            Ok(header::IfMatch::Items(tags)) => Self::OneOf(tags),
            Err(_) => Self::OneOf(Vec::new()),
        }))
    }
}

/// Marks a response that its client has already. The middleware makes a 304 of it, once it has all its headers: they are
/// those of the 200.
pub struct NotModified;

/// Responds with `tag` and what `finish` adds to `response`; marked as [`NotModified`] where the client has that already.
pub fn respond_tagged(
    request: &HttpRequest,
    mut response: HttpResponseBuilder,
    tag: &EntityTag,
    finish: impl FnOnce(HttpResponseBuilder) -> HttpResponse,
) -> HttpResponse {
    response.insert_header((ETAG, tag.to_string()));
    let is_known = request.method().is_safe()
        && match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
            Err(_) => false,
        };
    let mut response = finish(response);
    if is_known {
        response.extensions_mut().insert(NotModified);
    }
    response
}

/// Responds with a resource that was changed at `updated_at`, or with 304.
pub fn respond(
    request: &HttpRequest,
    status: StatusCode,
    body: &impl Serialize,
    updated_at: DateTime<Utc>,
) -> Result<HttpResponse, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| ApiError::Internal(Box::new(error)))?;
    let tag = EntityTag::new_strong(format!("{}.{}", version(updated_at), digest(&bytes)));
    Ok(respond_tagged(request, HttpResponse::build(status), &tag, |mut response| {
        response.insert_header(ContentType::json()).body(bytes)
    }))
}

/// A body that took some work, and its digest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TaggedBody {
    bytes: Bytes,
    digest: String,
}

impl TaggedBody {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: digest(&bytes), bytes }
    }

    /// The same in no more memory than its bytes need, to be cached: what was written piece by piece has room to grow.
    pub fn compact(self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Responds with it, or with 304. The format depends on `Accept`, which caches must know.
    pub fn respond(self, request: &HttpRequest, media_type: &'static str) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((VARY, ACCEPT.as_str()));
        respond_tagged(request, response, &EntityTag::new_strong(self.digest), |mut response| {
            response.insert_header((CONTENT_TYPE, media_type)).body(self.bytes)
        })
    }
}

fn version(updated_at: DateTime<Utc>) -> String {
    format!("{:x}", updated_at.timestamp_micros())
}

/// What tells bytes from their other versions.
pub fn digest(bytes: &[u8]) -> String {
    let mut digits = HEXLOWER.encode(&Sha256::digest(bytes));
    digits.truncate(DIGEST_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
    use actix_web::test::TestRequest;
    use actix_web::{FromRequest, HttpResponse};
    use chrono::{DateTime, TimeDelta};

    use super::{IfMatch, NotModified, TaggedBody, respond};

    fn is_known(response: &HttpResponse) -> bool {
        response.extensions().contains::<NotModified>()
    }

    fn tag(response: &HttpResponse) -> String {
        response.headers().get(ETAG).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_client_that_has_it_gets_a_304() {
        let at = DateTime::UNIX_EPOCH;
        let first = respond(&TestRequest::get().to_http_request(), StatusCode::OK, &"body", at).unwrap();
        let again = TestRequest::get().insert_header((IF_NONE_MATCH, format!("\"x\", W/{}", tag(&first))));
        let again = again.to_http_request();
        assert!(is_known(&respond(&again, StatusCode::OK, &"body", at).unwrap()));
        assert!(!is_known(&respond(&again, StatusCode::OK, &"other", at).unwrap()));
    }

    #[actix_web::test]
    async fn an_edit_is_checked_against_the_version_not_the_whole_body() {
        let at = DateTime::UNIX_EPOCH;
        let first = respond(&TestRequest::get().to_http_request(), StatusCode::OK, &"body", at).unwrap();
        let edit = TestRequest::patch().insert_header((IF_MATCH, tag(&first))).to_http_request();
        let if_match = IfMatch::extract(&edit).await.unwrap();
        assert!(if_match.check(at).is_ok());
        assert!(if_match.check(at + TimeDelta::microseconds(1)).is_err());
        let whichever = IfMatch::extract(&TestRequest::patch().to_http_request()).await.unwrap();
        assert_eq!(whichever, IfMatch::Absent);
    }

    #[actix_web::test]
    async fn what_is_no_tag_matches_no_version() {
        for (text, expected) in [("", true), ("*", true), ("0.0", false), ("\"1", false), ("\"0.1\"", true)] {
            let request = TestRequest::patch().insert_header((IF_MATCH, text)).to_http_request();
            let if_match = IfMatch::extract(&request).await.unwrap();
            assert_eq!(if_match.check(DateTime::UNIX_EPOCH).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_body_is_known_by_its_digest() {
        let body = || TaggedBody::new("body").compact();
        let first = body().respond(&TestRequest::get().to_http_request(), "text/plain");
        assert_eq!((first.status(), tag(&first).as_str()), (StatusCode::OK, "\"230d8358dc8e8890\""));
        for (known, expected) in [(tag(&first), true), ("\"x\"".to_owned(), false)] {
            let again = TestRequest::get().insert_header((IF_NONE_MATCH, known)).to_http_request();
            assert_eq!(is_known(&body().respond(&again, "text/plain")), expected);
        }
        let star = TestRequest::get().insert_header((IF_NONE_MATCH, "*")).to_http_request();
        assert!(is_known(&body().respond(&star, "text/plain")));
    }
}
