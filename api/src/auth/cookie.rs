//! The cookies of a signed-in web page, and the CSRF token that proves which page sent them.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName};
use subtle::ConstantTimeEq;

use crate::http::error::ApiError;

/// The name of one of our cookies. By TLS it has the prefix `__Host-`, with which a browser takes a cookie from this very
/// host alone: without it, a page of a sibling domain could plant a session of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieName(&'static str);

/// Holds the access token.
pub const ACCESS: CookieName = CookieName("__Host-pulso_access");
/// Holds the refresh token.
pub const REFRESH: CookieName = CookieName("__Host-pulso_refresh");
/// Holds the CSRF token: the only one that a page's script can read, and another origin's page cannot.
pub const CSRF: CookieName = CookieName("__Host-pulso_csrf");

impl CookieName {
    /// As it is sent. A browser refuses the prefix where the cookie is not `Secure`.
    fn as_sent(self, is_secure: bool) -> &'static str {
        if is_secure { self.0 } else { self.0.strip_prefix("__Host-").unwrap_or(self.0) }
    }
}

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// For a request that changes something, by cookie, without proof of where it comes from.
pub const CSRF_MISSING: ApiError =
    ApiError::Forbidden("Signed in by cookie, this needs the header X-CSRF-Token with the token from the sign-in.");

/// A cookie's value. Read from the header, because the request's own parser answers nothing at all where one cookie of
/// another application on this host is malformed.
pub fn find(headers: &HeaderMap, name: CookieName, is_secure: bool) -> Option<&str> {
    let name = name.as_sent(is_secure);
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Whether the request has any of our cookies that sign in.
pub fn has_session(headers: &HeaderMap, is_secure: bool) -> bool {
    [ACCESS, REFRESH].into_iter().any(|name| find(headers, name, is_secure).is_some())
}

/// Whether the header holds `token`.
pub fn shows_csrf_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(X_CSRF_TOKEN).is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.as_bytes())));
    shown && !token.is_empty()
}

/// One of our cookies, which the browser keeps for `max_age_s`; 0 removes it.
pub fn build<'a>(name: CookieName, value: &'a str, max_age_s: u32, is_secure: bool) -> Cookie<'a> {
    let mut cookie = Cookie::new(name.as_sent(is_secure), value);
    cookie.set_path("/");
    cookie.set_max_age(time::Duration::seconds(max_age_s.into()));
    cookie.set_same_site(SameSite::Strict);
    // A page's script reads the CSRF token and nothing else.
    cookie.set_http_only(name != CSRF);
    cookie.set_secure(is_secure);
    cookie
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;
    use actix_web::test::TestRequest;

    use super::{ACCESS, CSRF, REFRESH, build, find, shows_csrf_token};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let request = pairs.iter().fold(TestRequest::get(), |request, pair| request.append_header(*pair));
        request.to_http_request().headers().clone()
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let headers = headers(&[("Cookie", "x=1; xpulso_access=no; pulso_access=a=b"), ("Cookie", "pulso_refresh=r")]);
        assert_eq!(find(&headers, ACCESS, false), Some("a=b"));
        assert_eq!(find(&headers, REFRESH, false), Some("r"));
        assert_eq!(find(&headers, CSRF, false), None);
    }

    #[test]
    fn another_applications_malformed_cookie_signs_nobody_out() {
        let headers = headers(&[("Cookie", "broken; =; %ff=%ff; pulso_access=a")]);
        assert_eq!(find(&headers, ACCESS, false), Some("a"));
    }

    #[test]
    fn by_tls_only_the_name_that_no_sibling_domain_can_set_is_read() {
        let headers = headers(&[("Cookie", "pulso_access=planted; __Host-pulso_access=own; pulso_refresh=planted")]);
        assert_eq!(find(&headers, ACCESS, true), Some("own"));
        assert_eq!(find(&headers, REFRESH, true), None);
    }

    #[test]
    fn nothing_shows_nothing() {
        assert!(shows_csrf_token(&headers(&[("X-CSRF-Token", "t")]), "t"));
        assert!(!shows_csrf_token(&headers(&[("X-CSRF-Token", "u")]), "t"));
        assert!(!shows_csrf_token(&headers(&[("X-CSRF-Token", "")]), ""));
        assert!(!shows_csrf_token(&headers(&[]), "t"));
    }

    #[test]
    fn only_the_csrf_token_can_be_read_by_a_script_and_tls_makes_cookies_secure() {
        let access = build(ACCESS, "a", 900, true).to_string();
        assert_eq!(access, "__Host-pulso_access=a; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=900");
        let csrf = build(CSRF, "c", 0, false).to_string();
        assert_eq!(csrf, "pulso_csrf=c; SameSite=Strict; Path=/; Max-Age=0");
    }
}
