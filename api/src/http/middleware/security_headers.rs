//! Headers that keep a browser from doing with an answer what nobody meant.

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Data is no page: nothing in it loads or runs, and nobody shows it in a frame.
const FOR_DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A page that does not say what it needs gets what is ours.
const FOR_PAGES: HeaderValue = HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'; base-uri 'none'");
/// A year. Not for subdomains: they may be somebody else's business.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds them; what a handler has set stays.
pub fn insert(headers: &mut HeaderMap, is_tls: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        headers.insert(CONTENT_SECURITY_POLICY, if is_page { FOR_PAGES } else { FOR_DATA });
    }
    if is_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
