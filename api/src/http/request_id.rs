//! The id that a request carries through answers and logs.

use std::rc::Rc;

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpMessage, HttpRequest};
use pulso_shared::ids::Ulid;

/// The header in which a request's id comes and goes.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not echoed but replaced: it goes into every log line and every message.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The id of a request: the client's, where it is short and printable, or a new ULID.
#[derive(Debug, Clone)]
pub struct RequestId(Rc<str>);

impl RequestId {
    /// Reads the client's, or makes one.
    pub fn of(headers: &HeaderMap) -> Self {
        let printable = |id: &&str| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        };
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(printable);
        given.map_or_else(Self::generate, |given| Self(given.into()))
    }

    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Ulid::generate().array_to_str(&mut [0; pulso_shared::ids::ULID_LEN]).into())
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
