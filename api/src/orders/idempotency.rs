//! An order that may be sent again: `Idempotency-Key`, and the digest of the body that it was sent with.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use super::types::OrderBody;
use crate::http::error::ApiError;
use crate::http::extract::body::{MAX_BODY_BYTES, read_body};
use crate::http::extract::json;
use crate::http::holder::KnownCaller;

const HEADER: &str = "Idempotency-Key";
/// Longest key, bytes.
const MAX_KEY_BYTES: usize = 255;

/// A text that cannot be a key; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_BYTES} printable ASCII characters")]
pub struct KeyError;

/// The client's name for a request that it may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&[u8]> for IdempotencyKey {
    type Error = KeyError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        let bytes = bytes.trim_ascii();
        let is_one = (1..=MAX_KEY_BYTES).contains(&bytes.len()) && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError)?;
        if is_one { Ok(Self(text.to_owned())) } else { Err(KeyError) }
    }
}

/// A key, and what it was sent with.
pub struct KeyedRequest {
    pub key: IdempotencyKey,
    /// SHA-256 of the body.
    pub body_digest: Vec<u8>,
}

/// An order, and by which key it may be sent again.
pub struct OrderRequest {
    pub body: OrderBody,
    pub keyed: Option<KeyedRequest>,
}

impl FromRequest for OrderRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (checked, key) = (json::check_content_type(request), idempotency_key(request));
        let body = read_body(request, payload, MAX_BODY_BYTES, KnownCaller::of(request));
        Box::pin(async move {
            checked?;
            let (body, body_digest) = body.await?.read(|bytes| parse(bytes)).await??;
            Ok(Self { body, keyed: key?.map(|key| KeyedRequest { key, body_digest }) })
        })
    }
}

/// An order, and the digest of its body. No body is as good as an empty one.
fn parse(bytes: &[u8]) -> Result<(OrderBody, Vec<u8>), ApiError> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    Ok((json::parse(bytes)?, Sha256::digest(bytes).to_vec()))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let key = request.headers().get(HEADER).map(|value| IdempotencyKey::try_from(value.as_bytes()));
    key.transpose().map_err(|error| ApiError::field(HEADER, "invalid", error))
}

#[cfg(test)]
mod tests {
    use super::IdempotencyKey;

    #[test]
    fn a_key_is_short_and_printable() {
        assert_eq!(IdempotencyKey::try_from(b" a-1 ".as_slice()).unwrap().as_str(), "a-1");
        let long = [b'x'; 256];
        for bad in [b"".as_slice(), b"  ", b"a\tb", b"a\0b", "ã".as_bytes(), &[0xff], &long] {
            assert!(IdempotencyKey::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
