//! A request's body, read to its end within limits: bytes as they come, bytes after decompression, and time.
//!
//! Not the server's own extractors: they decompress a whole chunk before they look at its size, so that 400 bytes
//! become 256 MiB of memory, and they wait without limit for a body that never ends.

use std::io::{self, Read};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use tokio::sync::Semaphore;

use crate::http::error::ApiError;

/// Largest body of most routes, before and after decompression.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A body may take this long to arrive: an array of 1,000 heartbeats over a link of 10 KB a second takes 20 s.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What arrives slowly is held in memory meanwhile: up to this size any number of bodies, beyond it only so many.
const SMALL_BODY_BYTES: usize = 32 * 1024;
const MAX_SLOW_LARGE_BODIES: usize = 64;

/// Permits for large bodies that arrive slowly, of all HTTP threads.
#[derive(Clone)]
pub struct LargeBodies(Arc<Semaphore>);

impl Default for LargeBodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_SLOW_LARGE_BODIES)))
    }
}

/// Reads a body of at most `limit` bytes, both as it comes and decompressed: 400 for one that breaks off or cannot be
/// decompressed, 408 for one that takes too long, 413 for one that is too large, 503 while too many arrive slowly.
pub fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let encoding = Encoding::of(request.headers().get(CONTENT_ENCODING));
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let large = request.app_data::<LargeBodies>().cloned();
    let payload = payload.take();
    async move {
        let encoding = encoding?;
        let large =
            large.ok_or_else(|| ApiError::Internal("the application has no permits for large bodies".into()))?;
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        encoding.decode(gather(payload, limit, large).await?, limit)
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    fn of(header: Option<&HeaderValue>) -> Result<Self, ApiError> {
        let Some(header) = header else { return Ok(Self::Identity) };
        match header.to_str().map(str::trim).map(str::to_ascii_lowercase).as_deref() {
            Ok("" | "identity") => Ok(Self::Identity),
            Ok("gzip" | "x-gzip") => Ok(Self::Gzip),
            Ok("deflate") => Ok(Self::Deflate),
            _ => Err(ApiError::UnsupportedEncoding),
        }
    }

    fn decode(self, raw: Bytes, limit: usize) -> Result<Bytes, ApiError> {
        match self {
            Self::Identity => Ok(raw),
            Self::Gzip => inflate(MultiGzDecoder::new(raw.as_ref()), limit),
            Self::Deflate => inflate(ZlibDecoder::new(raw.as_ref()), limit),
        }
    }
}

/// Decompresses no more than a byte beyond the limit.
fn inflate(decoder: impl Read, limit: usize) -> Result<Bytes, ApiError> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut plain).map_err(|_: io::Error| broken())?;
    if plain.len() > limit { Err(too_large()) } else { Ok(plain.into()) }
}

/// What has arrived of a body. Most come in one piece, which is then used as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn push(&mut self, chunk: Result<Bytes, PayloadError>, limit: usize) -> Result<(), ApiError> {
        let chunk = chunk.map_err(|_| broken())?;
        if self.len().saturating_add(chunk.len()) > limit {
            return Err(too_large());
        }
        if self.len() == 0 {
            self.first = chunk;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.all.extend_from_slice(&chunk);
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.first.len().saturating_add(self.all.len())
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

async fn gather(mut payload: Payload, limit: usize, large: LargeBodies) -> Result<Bytes, ApiError> {
    let mut gathered = Gathered::default();
    // What is here already needs neither a timer nor a permit.
    while let Poll::Ready(chunk) = futures_util::poll!(payload.next()) {
        match chunk {
            Some(chunk) => gathered.push(chunk, limit)?,
            None => return Ok(gathered.finish()),
        }
    }
    let rest = Box::pin(gather_slowly(payload, gathered, limit, large));
    tokio::time::timeout(BODY_TIMEOUT, rest).await.map_err(|_| ApiError::BodyTimeout)?
}

async fn gather_slowly(
    mut payload: Payload,
    mut gathered: Gathered,
    limit: usize,
    large: LargeBodies,
) -> Result<Bytes, ApiError> {
    let mut permit = None;
    while let Some(chunk) = payload.next().await {
        gathered.push(chunk, limit)?;
        if gathered.len() > SMALL_BODY_BYTES && permit.is_none() {
            permit = Some(large.0.try_acquire().map_err(|_| too_many())?);
        }
    }
    Ok(gathered.finish())
}

fn too_many() -> ApiError {
    ApiError::Unavailable { what: "Room for large bodies", cause: "too many large bodies arrive at once".into() }
}

fn too_large() -> ApiError {
    ApiError::TooLarge("The body is too large.".into())
}

fn broken() -> ApiError {
    ApiError::Unreadable("The body could not be read: is it whole, and encoded as it says?".into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::http::StatusCode;
    use actix_web::http::header::CONTENT_ENCODING;
    use actix_web::test::TestRequest;
    use actix_web::{ResponseError, dev};
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::{LargeBodies, read_body};

    async fn read(encoding: &'static str, body: Vec<u8>) -> Result<Vec<u8>, StatusCode> {
        let request = TestRequest::post().app_data(LargeBodies::default());
        let request = request.insert_header((CONTENT_ENCODING, encoding)).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        let body = read_body(&request, &mut payload, 1_000).await;
        body.map(|bytes| bytes.to_vec()).map_err(|error| error.status_code())
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[actix_web::test]
    async fn a_body_is_decompressed_up_to_the_limit_and_no_further() {
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(b"{}").unwrap();
        assert_eq!(read("identity", b"{}".to_vec()).await.unwrap(), b"{}");
        assert_eq!(read("gzip", gzip(b"{}")).await.unwrap(), b"{}");
        assert_eq!(read("deflate", deflated.finish().unwrap()).await.unwrap(), b"{}");
        assert_eq!(read("gzip", gzip(&[b' '; 1_000])).await.unwrap().len(), 1_000);
        assert_eq!(read("gzip", gzip(&[b' '; 1_001])).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(read("identity", vec![b' '; 1_001]).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[actix_web::test]
    async fn what_cannot_be_decompressed_is_refused() {
        let whole = gzip(b"some text that is long enough to be cut");
        assert_eq!(read("gzip", whole[..whole.len() / 2].to_vec()).await, Err(StatusCode::BAD_REQUEST));
        assert_eq!(read("gzip", b"not gzip".to_vec()).await, Err(StatusCode::BAD_REQUEST));
        for encoding in ["br", "zstd", "gzip, gzip"] {
            assert_eq!(read(encoding, whole.clone()).await, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{encoding}");
        }
    }

    #[actix_web::test]
    async fn no_body_is_an_empty_one() {
        let (request, _) = TestRequest::post().app_data(LargeBodies::default()).to_http_parts();
        assert_eq!(read_body(&request, &mut dev::Payload::None, 10).await.unwrap(), "");
    }
}
