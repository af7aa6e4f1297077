//! What comes in.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::types::{IdempotencyKey, OrderStatus};
use crate::http::error::ApiError;
use crate::http::extract::body::{MAX_BODY_BYTES, read_body};
use crate::http::extract::json::{self, Fields, FromFields};

/// The header by which a client may send the same request again.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// An order of what is in the cart. Needs no body.
#[derive(Debug, Default, ToSchema)]
pub struct OrderBody {
    /// What the buyer was shown as the total: where the cart comes to something else by now, nothing is ordered.
    #[schema(minimum = 0, example = 25980)]
    pub total_minor: Option<i64>,
}

impl FromFields for OrderBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { total_minor: fields.optional("total_minor") })
    }
}

/// A key, and what it was sent with.
pub struct KeyedRequest {
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of the body.
    pub body_digest: Vec<u8>,
}

/// An order, and by which key it may be sent again.
pub struct OrderRequest {
    /// What it says.
    pub body: OrderBody,
    /// Its key, where it has one.
    pub keyed: Option<KeyedRequest>,
}

impl FromRequest for OrderRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (checked, key) = (json::check_content_type(request), idempotency_key(request));
        let bytes = read_body(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            checked?;
            // No body is as good as an empty one.
            let bytes = bytes.await?;
            let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
            let body = json::parse(&bytes)?;
            let body_digest = Sha256::digest(&bytes).to_vec();
            Ok(Self { body, keyed: key?.map(|key| KeyedRequest { key, body_digest }) })
        })
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let key = request.headers().get(IDEMPOTENCY_KEY).map(|value| IdempotencyKey::try_from(value.as_bytes()));
    key.transpose().map_err(|error| ApiError::field(IDEMPOTENCY_KEY, "invalid", error))
}

/// The next step of an order.
#[derive(ToSchema)]
pub struct OrderStatusBody {
    /// The status it is to have.
    pub status: OrderStatus,
}

impl FromFields for OrderStatusBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { status: fields.required("status")? })
    }
}
