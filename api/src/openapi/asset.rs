//! A static file: served from memory, compressed once, and answered with 304 to a client that has it.

use std::io::{self, Write};
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ContentEncoding, Encoding, EntityTag, Header, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::error::ApiError;
use crate::http::extract::etag;

/// A page may load from nowhere but here. ReDoc makes its styles and its search worker as it runs.
const CONTENT_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// How long a client may use a file without revalidating it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Not at all: the next release changes it.
    Ask,
    /// For good: pages name it together with its digest.
    Forever,
}

pub struct Asset {
    path: &'static str,
    content_type: &'static str,
    freshness: Freshness,
    digest: String,
    plain: Bytes,
    gzipped: OnceLock<Bytes>,
}

impl Asset {
    /// A file at `path`.
    pub fn new(
        path: &'static str,
        content_type: &'static str,
        freshness: Freshness,
        content: impl Into<Bytes>,
    ) -> Self {
        let plain = content.into();
        Self { path, content_type, freshness, digest: etag::digest(&plain), plain, gzipped: OnceLock::new() }
    }

    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Digest of the content.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Answers with it, compressed where the client takes that, or with 304 where the client has it.
    pub async fn respond(&'static self, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        let cache_control = match self.freshness {
            Freshness::Ask => "no-cache",
            Freshness::Forever => "public, max-age=31536000, immutable",
        };
        let mut response = HttpResponse::Ok();
        response.insert_header((CACHE_CONTROL, cache_control)).insert_header((VARY, ACCEPT_ENCODING.as_str()));
        let gzipped = if takes_gzip(request) { Some(self.gzipped().await?) } else { None };
        // Weak: the same tag stands for the compressed and the plain form.
        let tag = EntityTag::new_weak(self.digest.clone());
        Ok(etag::respond_tagged(request, response, &tag, |mut response| {
            response
                .insert_header((CONTENT_TYPE, self.content_type))
                .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
            response.insert_header((CONTENT_SECURITY_POLICY, CONTENT_POLICY));
            match gzipped {
                Some(gzipped) => response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip)).body(gzipped),
                None => response.body(self.plain.clone()),
            }
        }))
    }

    async fn gzipped(&'static self) -> Result<Bytes, ApiError> {
        if let Some(gzipped) = self.gzipped.get() {
            return Ok(gzipped.clone());
        }
        // Not on the HTTP threads: a megabyte takes tens of milliseconds.
        let gzipped = web::block(|| gzip(&self.plain)).await.map_err(|error| ApiError::Internal(Box::new(error)))?;
        let gzipped = gzipped.map_err(|error| ApiError::Internal(Box::new(error)))?;
        Ok(self.gzipped.get_or_init(|| gzipped).clone())
    }
}

fn gzip(plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let supported = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).is_ok_and(|accepted| accepted.negotiate(supported.iter()) == Some(Encoding::gzip()))
}
