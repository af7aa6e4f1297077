//! A request's body, read to its end within limits: bytes as they come, bytes after decompression, and time.
//!
//! Not the server's own extractors: they decompress a whole chunk before they look at its size, so that 400 bytes
//! become 256 MiB of memory, and they wait without limit for a body that never ends.

use std::io::{self, Cursor, Read};
use std::ops::Deref;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use actix_web::web::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use pulso_shared::ids::Uuid;

use super::arrival::{broken, gather, too_large};
use super::large_bodies::{Permit, Room, SMALL_BODY_BYTES};
use crate::http::error::ApiError;

/// Largest body of most routes, before and after decompression.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Largest body of whoever shows no credential: an array of 1,000 heartbeats has 120 KB.
pub const MAX_ANONYMOUS_BODY_BYTES: usize = 256 * 1024;

/// A body that has arrived.
#[derive(Debug, Default)]
pub struct Received {
    bytes: Bytes,
    /// A large body's, until it has been parsed.
    permit: Option<Permit>,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Received {
    /// Whether parsing it would hold an HTTP thread up.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.permit.is_some()
    }

    /// Does `work` on the bytes: here, or beside the HTTP threads where there are many.
    pub async fn read<T: Send + 'static>(self, work: impl FnOnce(&Bytes) -> T + Send + 'static) -> Result<T, ApiError> {
        let Self { bytes, permit } = self;
        match permit {
            None => Ok(work(&bytes)),
            Some(permit) => {
                permit
                    .run(move |_permit| {
                        let result = work(&bytes);
                        drop(bytes);
                        result
                    })
                    .await
            }
        }
    }
}

/// Reads a body of at most `limit` bytes, both as it comes and decompressed: 400 for one that breaks off or cannot be
/// decompressed, 408 for one that comes too slowly, 413 for one that is too large, 429 and 503 while too many large ones
/// are there. `caller` is whom a verified token names.
pub fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
    caller: Option<Uuid>,
) -> impl Future<Output = Result<Received, ApiError>> + use<> {
    let encoding = Encoding::of(request.headers().get(CONTENT_ENCODING));
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let limit = if caller.is_some() { limit } else { limit.min(MAX_ANONYMOUS_BODY_BYTES) };
    let stays_small = matches!(encoding, Ok(Encoding::Identity)) && announced.is_some_and(|l| l <= SMALL_BODY_BYTES);
    let room = if stays_small { None } else { Some(Room::of(request, caller, limit)) };
    let payload = payload.take();
    async move {
        let encoding = encoding?;
        let mut room = room.transpose()?;
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let bytes = gather(payload, limit, &mut room).await?;
        match (encoding, room) {
            (Encoding::Identity, room) => Ok(Received { bytes, permit: room.and_then(Room::into_permit) }),
            (_, None) => Ok(Received { bytes, permit: None }),
            (Encoding::Gzip, Some(room)) => inflate(MultiGzDecoder::new(Cursor::new(bytes)), limit, room).await,
            (Encoding::Deflate, Some(_)) if is_raw_deflate(&bytes) => Err(ApiError::UnsupportedEncoding),
            (Encoding::Deflate, Some(room)) => inflate(ZlibDecoder::new(Cursor::new(bytes)), limit, room).await,
        }
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
}

/// HTTP's `deflate` is the zlib format (RFC 1950), whose head says so; some clients send its inside alone.
fn is_raw_deflate(bytes: &[u8]) -> bool {
    bytes.first_chunk::<2>().is_some_and(|&[cmf, flags]| cmf & 0x0f != 8 || u16::from_be_bytes([cmf, flags]) % 31 != 0)
}

/// Decompresses no more than a byte beyond the limit: the first of it here, and what is left, if anything, beside the HTTP
/// threads.
async fn inflate(decoder: impl Read + Send + 'static, limit: usize, mut room: Room) -> Result<Received, ApiError> {
    let mut plain = Vec::new();
    let mut decoder = decoder.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1));
    let first = u64::try_from(SMALL_BODY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    if !room.is_held() {
        decoder.by_ref().take(first).read_to_end(&mut plain).map_err(|_: io::Error| broken())?;
        room.hold(plain.len())?;
    }
    if plain.len() > limit {
        return Err(too_large());
    }
    let Some(permit) = room.into_permit() else { return Ok(Received { bytes: plain.into(), permit: None }) };
    let inflated = permit.run(move |permit| {
        decoder.read_to_end(&mut plain).map_err(|_: io::Error| broken())?;
        if plain.len() > limit { Err(too_large()) } else { Ok(Received { bytes: plain.into(), permit: Some(permit) }) }
    });
    inflated.await?
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::http::StatusCode;
    use actix_web::http::header::CONTENT_ENCODING;
    use actix_web::test::TestRequest;
    use actix_web::{ResponseError, dev};
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::{MAX_ANONYMOUS_BODY_BYTES, read_body};
    use crate::http::extract::large_bodies::LargeBodies;

    async fn read(encoding: &'static str, body: Vec<u8>) -> Result<Vec<u8>, StatusCode> {
        read_up_to(1_000, encoding, body).await
    }

    async fn read_up_to(limit: usize, encoding: &'static str, body: Vec<u8>) -> Result<Vec<u8>, StatusCode> {
        let request = TestRequest::post().app_data(LargeBodies::new(std::num::NonZeroU32::MIN));
        let request = request.insert_header((CONTENT_ENCODING, encoding)).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        let body = read_body(&request, &mut payload, limit, None).await;
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
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(b"{}").unwrap();
        assert_eq!(read("deflate", raw.finish().unwrap()).await, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(read("deflate", b"x".to_vec()).await, Err(StatusCode::BAD_REQUEST));
        for encoding in ["br", "zstd", "gzip, gzip"] {
            assert_eq!(read(encoding, whole.clone()).await, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{encoding}");
        }
    }

    #[actix_web::test]
    async fn a_large_body_is_decompressed_whole_up_to_what_a_stranger_may_send() {
        let largest = vec![b' '; MAX_ANONYMOUS_BODY_BYTES];
        let read = async |body: &[u8]| read_up_to(1_000_000, "gzip", gzip(body)).await;
        assert_eq!(read(&largest).await.unwrap().len(), MAX_ANONYMOUS_BODY_BYTES);
        assert_eq!(read(&[largest.as_slice(), b" "].concat()).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[actix_web::test]
    async fn no_body_is_an_empty_one() {
        let (request, _) = TestRequest::post().app_data(LargeBodies::new(std::num::NonZeroU32::MIN)).to_http_parts();
        assert!(read_body(&request, &mut dev::Payload::None, 10, None).await.unwrap().is_empty());
    }
}
