//! The cookies of a signed-in web page, and the CSRF token that proves which page sent them.

use actix_web::cookie::{Cookie, SameSite, time};
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

/// A cookie's value. Read from the header, because the request's own parser answers nothing at all where one cookie of
/// another application on this host is malformed.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Whether the request has any of our cookies that sign in.
pub fn has_session(headers: &HeaderMap) -> bool {
    find(headers, ACCESS).is_some() || find(headers, REFRESH).is_some()
}

/// Whether the header holds `token`.
pub fn shows_csrf_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(X_CSRF_TOKEN).is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.as_bytes())));
    shown && !token.is_empty()
}

/// One of our cookies, which the browser keeps for `max_age_s`; 0 removes it.
pub fn build<'a>(name: &'a str, value: &'a str, max_age_s: u32, is_secure: bool) -> Cookie<'a> {
    let mut cookie = Cookie::new(name, value);
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
        assert_eq!(find(&headers, ACCESS), Some("a=b"));
        assert_eq!(find(&headers, REFRESH), Some("r"));
        assert_eq!(find(&headers, "pulso"), None);
    }

    #[test]
    fn another_applications_malformed_cookie_signs_nobody_out() {
        let headers = headers(&[("Cookie", "broken; =; %ff=%ff; pulso_access=a")]);
        assert_eq!(find(&headers, ACCESS), Some("a"));
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
        assert_eq!(access, "pulso_access=a; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=900");
        let csrf = build(CSRF, "c", 0, false).to_string();
        assert_eq!(csrf, "pulso_csrf=c; SameSite=Strict; Path=/; Max-Age=0");
    }
}
