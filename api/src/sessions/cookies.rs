//! Sessions of web pages: the same tokens, in cookies that no script can read.
//!
//! A browser sends a cookie along with whatever any page requests from us. `SameSite=Strict` keeps it from pages of other
//! sites; for all others, and for browsers that do not know it, whatever changes something has to send the CSRF token in
//! a header, which only a page that could read it can (`crate::auth::cookie`).

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};

use super::types::{CookieSessionResponse, SessionTokens};
use super::{commands, queries};
use crate::auth::Auth;
use crate::auth::cookie::{self, ACCESS, CSRF, CSRF_MISSING, REFRESH};
use crate::config::{WebConfig, whole_seconds};
use crate::db::DbPool;
use crate::http::client_address::is_tls;
use crate::http::error::ApiError;
use crate::ids::SessionId;

/// Continues the session in the cookies: 422 where there is none, 403 without its CSRF token.
pub async fn refresh(db: &DbPool, auth: &Auth, request: &HttpRequest) -> Result<SessionTokens, ApiError> {
    let token = refresh_cookie(request, &auth.web)?;
    let token = token.ok_or_else(|| ApiError::field("refresh_token", "required", "is required"))?;
    commands::refresh(db, auth, &token).await
}

/// The session of a page whose access token has expired, so that it can still sign out; 403 without its CSRF token.
pub async fn find(db: &DbPool, web: &WebConfig, request: &HttpRequest) -> Result<Option<SessionId>, ApiError> {
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    match refresh_cookie(request, web)? {
        Some(token) => queries::find_by_refresh_token(db, &token).await,
        None => Ok(None),
    }
}

/// The refresh token in the cookie. The access token that would name the session may have expired, so here the header
/// has to hold what the CSRF cookie holds: another origin's page can read neither.
fn refresh_cookie(request: &HttpRequest, web: &WebConfig) -> Result<Option<SecretString>, ApiError> {
    let (headers, is_secure) = (request.headers(), is_tls(request.head(), web));
    let Some(token) = cookie::find(headers, REFRESH, is_secure) else {
        return Ok(None);
    };
    let expected = cookie::find(headers, CSRF, is_secure).unwrap_or_default();
    if cookie::shows_csrf_token(headers, expected) { Ok(Some(token.into())) } else { Err(CSRF_MISSING) }
}

/// Tokens in cookies; the body has only what a script may know.
pub fn respond_signed_in(
    request: &HttpRequest,
    auth: &Auth,
    web: &WebConfig,
    tokens: &SessionTokens,
) -> Result<HttpResponse, ApiError> {
    let csrf_token = auth.tokens.csrf_token(tokens.session_id)?;
    let (access_s, refresh_s) = (tokens.expires_in_s, whole_seconds(auth.config.refresh_token_ttl));
    let is_secure = is_tls(request.head(), web);
    let response = HttpResponse::Ok()
        .cookie(cookie::build(ACCESS, &tokens.access_token, access_s, is_secure))
        .cookie(cookie::build(REFRESH, tokens.refresh_token.expose_secret(), refresh_s, is_secure))
        .cookie(cookie::build(CSRF, &csrf_token, refresh_s, is_secure))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(CookieSessionResponse::new(tokens.expires_in_s, csrf_token.clone()));
    Ok(response)
}

/// 204; removes the cookies where there are any.
pub fn respond_signed_out(request: &HttpRequest, web: &WebConfig) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    let is_secure = is_tls(request.head(), web);
    if cookie::has_session(request.headers(), is_secure) {
        for name in [ACCESS, REFRESH, CSRF] {
            response.cookie(cookie::build(name, "", 0, is_secure));
        }
    }
    response.finish()
}
