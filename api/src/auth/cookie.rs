//! The cookies of a web page that is signed in, and what proves that it was that page which sent them.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderName};
use subtle::ConstantTimeEq;

use crate::http::error::ApiError;

/// Holds the access token.
pub const ACCESS: &str = "pulso_access";
/// Holds the refresh token.
pub const REFRESH: &str = "pulso_refresh";
/// Holds the CSRF token: the only one that a page's script can read, and another origin's page cannot.
pub const CSRF: &str = "pulso_csrf";

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// For a request that changes something, by cookie, without proof of where it comes from.
pub const CSRF_MISSING: ApiError =
    ApiError::Forbidden("Signed in by cookie, this needs the header X-CSRF-Token with the token from the sign-in.");

/// A cookie's value.
pub fn named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Whether the request has any of our cookies that sign in.
pub fn has_session(headers: &HeaderMap) -> bool {
    named(headers, ACCESS).is_some() || named(headers, REFRESH).is_some()
}

/// Whether the header shows `token`.
pub fn shows_csrf_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(X_CSRF_TOKEN).is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.as_bytes())));
    shown && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;
    use actix_web::test::TestRequest;

    use super::{ACCESS, REFRESH, named, shows_csrf_token};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let request = pairs.iter().fold(TestRequest::get(), |request, pair| request.append_header(*pair));
        request.to_http_request().headers().clone()
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let headers = headers(&[("Cookie", "x=1; xpulso_access=no; pulso_access=a=b"), ("Cookie", "pulso_refresh=r")]);
        assert_eq!(named(&headers, ACCESS), Some("a=b"));
        assert_eq!(named(&headers, REFRESH), Some("r"));
        assert_eq!(named(&headers, "pulso"), None);
    }

    #[test]
    fn nothing_shows_nothing() {
        assert!(shows_csrf_token(&headers(&[("X-CSRF-Token", "t")]), "t"));
        assert!(!shows_csrf_token(&headers(&[("X-CSRF-Token", "u")]), "t"));
        assert!(!shows_csrf_token(&headers(&[("X-CSRF-Token", "")]), ""));
        assert!(!shows_csrf_token(&headers(&[]), "t"));
    }
}
