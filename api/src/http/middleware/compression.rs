//! Compressed answers, for who asks and where it pays.

use actix_http::encoding::Encoder;
use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, ETAG, Encoding, HeaderMap,
    HeaderValue,
};

use super::caching::vary_by;

/// A shorter answer fits into one packet anyhow.
const MIN_BYTES: u64 = 1_024;

/// The encoding a client wants most of those we have; none where it wants none.
pub fn wanted(request: &ServiceRequest) -> ContentEncoding {
    let ours = [Encoding::brotli(), Encoding::gzip(), Encoding::deflate(), Encoding::identity()];
    let accepted = request.get_header::<AcceptEncoding>();
    match accepted.and_then(|accepted| accepted.negotiate(ours.iter())) {
        Some(Encoding::Known(encoding)) => encoding,
        // Plain is better than nothing, also for who says that it is not.
        _ => ContentEncoding::Identity,
    }
}

/// The headers of an answer that is compressed where that pays: never an event stream, whose events would wait in the
/// compressor. Returns whether it pays.
pub fn prepare(response: &mut ServiceResponse<BoxBody>, encoding: ContentEncoding) -> bool {
    let pays = pays(response.response().headers(), response.response().body().size());
    if pays {
        vary_by(response.headers_mut(), &[ACCEPT_ENCODING]);
        if encoding != ContentEncoding::Identity {
            weaken_tag(response.headers_mut());
        }
    }
    pays
}

/// Compresses an answer, unless it has no body.
pub fn compress(response: ServiceResponse<BoxBody>, encoding: ContentEncoding) -> ServiceResponse<BoxBody> {
    if encoding == ContentEncoding::Identity || response.status() == StatusCode::NOT_MODIFIED {
        return response;
    }
    response.map_body(|head, body| {
        let body = Encoder::response(encoding, head, body).boxed();
        // The encoder has said it again.
        vary_by(head.headers_mut(), &[]);
        body
    })
}

fn pays(headers: &HeaderMap, size: BodySize) -> bool {
    let is_long = match size {
        BodySize::None => false,
        BodySize::Sized(bytes) => bytes >= MIN_BYTES,
        BodySize::Stream => true,
    };
    is_long && !headers.contains_key(CONTENT_ENCODING) && headers.get(CONTENT_TYPE).is_some_and(is_text)
}

fn is_text(content_type: &HeaderValue) -> bool {
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence {
        "text/event-stream" => false,
        "application/json" | "application/problem+json" | "application/javascript" | "image/svg+xml" => true,
        other => other.starts_with("text/"),
    }
}

/// The compressed form is not the same bytes, so its tag is a weak one.
fn weaken_tag(headers: &mut HeaderMap) {
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    let weak = strong.and_then(|tag| HeaderValue::from_str(&format!("W/{}", tag.to_str().ok()?)).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::BodySize;
    use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, HeaderMap, HeaderValue};
    use actix_web::test::TestRequest;

    use super::{pays, wanted};

    fn headers(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers
    }

    #[test]
    fn long_texts_are_worth_it_and_event_streams_never() {
        for (content_type, size, expected) in [
            ("application/json", BodySize::Sized(1_024), true),
            ("application/json", BodySize::Sized(1_023), false),
            ("application/json", BodySize::Stream, true),
            ("text/csv; charset=utf-8", BodySize::Stream, true),
            ("text/event-stream", BodySize::Stream, false),
            ("text/event-stream; charset=utf-8", BodySize::Stream, false),
            ("image/png", BodySize::Sized(9_999), false),
        ] {
            assert_eq!(pays(&headers(content_type), size), expected, "{content_type} {size:?}");
        }
        let mut done = headers("text/html");
        done.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!pays(&done, BodySize::Sized(9_999)));
    }

    #[test]
    fn who_asks_for_nothing_or_for_nonsense_gets_it_plain() {
        let wanted =
            |value: &str| wanted(&TestRequest::get().insert_header(("Accept-Encoding", value)).to_srv_request());
        assert_eq!(wanted("gzip"), ContentEncoding::Gzip);
        assert_eq!(wanted("gzip;q=0.5, br"), ContentEncoding::Brotli);
        for plain in ["", "identity", "zstd", "identity;q=0", ",,;;q=x"] {
            assert_eq!(wanted(plain), ContentEncoding::Identity, "{plain}");
        }
    }
}
