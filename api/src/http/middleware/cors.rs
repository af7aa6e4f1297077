//! Web pages of other origins: which may use the API, and which requests they cannot trick a browser into.

use actix_cors::Cors;
use actix_web::dev::RequestHead;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::middleware::Condition;

use crate::config::AllowedOrigins;
use crate::http::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long a browser may remember what it was allowed, s.
const PREFLIGHT_MAX_AGE_S: usize = 3_600;
/// What a page's script may read of an answer, besides what it always may.
const READABLE: [&str; 9] = [
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
    "X-Total-Count",
];

const FROM_ELSEWHERE: ApiError = ApiError::Forbidden("A page of another origin cannot sign this browser in.");

/// The middleware that tells browsers what they may do; where no origin is allowed there is none.
pub fn cors(origins: &AllowedOrigins) -> Condition<Cors> {
    let cors = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors.allow_any_method().allow_any_header().expose_headers(READABLE).supports_credentials();
    let cors = cors.max_age(PREFLIGHT_MAX_AGE_S).block_on_origin_mismatch(false);
    Condition::new(origins.iter().next().is_some(), cors)
}

/// Refuses a sign-in by cookie that a page of another origin sends: it would sign its visitor in as somebody else, and
/// see what they then do. A client that is no browser says nothing of all this, and passes.
pub fn check_same_site(request: &RequestHead, allowed: &AllowedOrigins) -> Result<(), ApiError> {
    let origin = text(&request.headers, &ORIGIN);
    if origin.is_some_and(|origin| allowed.contains(origin)) {
        return Ok(());
    }
    let is_same = match (text(&request.headers, &SEC_FETCH_SITE), origin) {
        // The browser's own word. (An address typed in is `none`.)
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) == text(&request.headers, &HOST),
        (None, None) => true,
    };
    if is_same { Ok(()) } else { Err(FROM_ELSEWHERE) }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{AllowedOrigins, check_same_site};

    #[test]
    fn a_browser_signs_in_from_here_or_from_an_allowed_origin() {
        let allowed = "https://app.example.com".parse::<AllowedOrigins>().unwrap();
        let passes = |headers: &[(&'static str, &str)]| {
            let request = TestRequest::post().insert_header(("Host", "api.example.com"));
            let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
            check_same_site(request.to_http_request().head(), &allowed).is_ok()
        };
        assert!(passes(&[]));
        assert!(passes(&[("Sec-Fetch-Site", "same-origin"), ("Origin", "http://elsewhere.dev")]));
        assert!(passes(&[("Sec-Fetch-Site", "none")]));
        assert!(passes(&[("Sec-Fetch-Site", "same-site"), ("Origin", "https://app.example.com")]));
        assert!(passes(&[("Origin", "https://api.example.com")]));
        assert!(!passes(&[("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example.com")]));
        assert!(!passes(&[("Sec-Fetch-Site", "cross-site")]));
        for origin in ["https://evil.example", "null", "https://api.example.com.evil.example"] {
            assert!(!passes(&[("Origin", origin)]), "{origin}");
        }
    }
}
