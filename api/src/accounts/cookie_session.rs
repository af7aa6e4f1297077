//! Sessions of web pages: the same tokens, in cookies that no script can read.
//!
//! A browser sends a cookie along with whatever any page asks of us. `SameSite=Strict` keeps it from pages of other
//! sites; for all others, and for browsers that know nothing of it, whatever changes something has to show the CSRF
//! token in a header, which only a page that could read it can (`crate::auth::cookie`).

use crate::ids::SessionId;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, SET_COOKIE};
use actix_web::web::{Data, Query};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::answer::{CookieSessionResponse, TokenResponse};
use super::body::LoginBody;
use super::login_limits::LoginLimits;
use super::sessions::{self, SessionTokens};
use crate::auth::cookie::{self, ACCESS, CSRF, CSRF_MISSING, REFRESH};
use crate::http::client_address::is_tls;
use crate::http::error::ApiError;
use crate::http::middleware::check_same_site;
use crate::state::AppState;

/// Where a session's tokens are kept.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// By the client, from the answer's body.
    Token,
    /// By the browser, in cookies.
    Cookie,
}

/// How the session is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// `cookie`: tokens in cookies, for web pages. `token`, or nothing: in the answer.
    #[param(inline, value_type = Option<Keeping>)]
    session: Option<String>,
}

impl SessionQuery {
    fn wants_cookie(&self) -> Result<bool, ApiError> {
        match self.session.as_deref() {
            None | Some("" | "token") => Ok(false),
            Some("cookie") => Ok(true),
            Some(_) => Err(ApiError::field("session", "invalid", "must be cookie or token")),
        }
    }
}

/// What a sign-in needs of its request besides the body.
pub struct SignIn {
    request: HttpRequest,
    state: Data<AppState>,
    limits: LoginLimits,
    query: SessionQuery,
}

impl FromRequest for SignIn {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = <(Data<AppState>, LoginLimits, Query<SessionQuery>)>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let (state, limits, query) = parts.await?;
            Ok(Self { request, state, limits, query: query.into_inner() })
        })
    }
}

impl SignIn {
    /// Signs in, and answers as it is wanted.
    ///
    /// # Errors
    /// As [`sessions::sign_in`]; 403 for a page of another origin that wants a cookie.
    pub async fn with(self, login: LoginBody) -> Result<HttpResponse, ApiError> {
        let wants_cookie = self.query.wants_cookie()?;
        if wants_cookie {
            check_same_site(self.request.head(), &self.state.config.web.cors_allowed_origins)?;
        }
        let tokens = sessions::sign_in(&self.state, &self.limits, login).await?;
        if wants_cookie { answer_cookies(&self.request, &self.state, &tokens) } else { Ok(answer_tokens(tokens)) }
    }
}

/// Goes on with the session in the cookies.
///
/// # Errors
/// 422 where there is none; 403 without its CSRF token; as [`sessions::refresh`].
pub async fn refresh(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, ApiError> {
    let token = refresh_cookie(request)?;
    let token = token.ok_or_else(|| ApiError::field("refresh_token", "required", "is required"))?;
    let tokens = sessions::refresh(state, &token).await?;
    answer_cookies(request, state, &tokens)
}

/// The session of a page whose access token has run out, so that it can still sign out.
///
/// # Errors
/// 403 without its CSRF token.
pub async fn find(request: &HttpRequest, state: &AppState) -> Result<Option<SessionId>, ApiError> {
    if request.headers().contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    match refresh_cookie(request)? {
        Some(token) => sessions::find_by_refresh_token(state, &token).await,
        None => Ok(None),
    }
}

/// The refresh token in the cookie. The access token that would name the session may have run out, so here the header
/// has to show what the CSRF cookie holds: another origin's page can read neither.
fn refresh_cookie(request: &HttpRequest) -> Result<Option<SecretString>, ApiError> {
    let headers = request.headers();
    let Some(token) = cookie::named(headers, REFRESH) else {
        return Ok(None);
    };
    let expected = cookie::named(headers, CSRF).unwrap_or_default();
    if cookie::shows_csrf_token(headers, expected) { Ok(Some(token.into())) } else { Err(CSRF_MISSING) }
}

/// Tokens in the body.
#[must_use]
pub fn answer_tokens(tokens: SessionTokens) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).json(TokenResponse::from(tokens))
}

/// Tokens in cookies; the body has only what a script may know.
fn answer_cookies(request: &HttpRequest, state: &AppState, tokens: &SessionTokens) -> Result<HttpResponse, ApiError> {
    let csrf_token = state.auth.tokens.csrf_token(tokens.session_id)?;
    let (access_s, refresh_s) = (tokens.expires_in_s, state.config.auth.refresh_token_ttl_s);
    let mut response = HttpResponse::Ok();
    for (name, value, life_s) in [
        (ACCESS, tokens.access_token.as_str(), access_s),
        (REFRESH, tokens.refresh_token.expose_secret(), refresh_s),
        (CSRF, &csrf_token, refresh_s),
    ] {
        set_cookie(&mut response, request, state, name, value, life_s);
    }
    response.insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.json(CookieSessionResponse::new(tokens.expires_in_s, csrf_token)))
}

/// 204, and no cookie is left where there was one.
#[must_use]
pub fn answer_signed_out(request: &HttpRequest, state: &AppState) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if cookie::has_session(request.headers()) {
        for name in [ACCESS, REFRESH, CSRF] {
            set_cookie(&mut response, request, state, name, "", 0);
        }
    }
    response.finish()
}

fn set_cookie(
    response: &mut HttpResponseBuilder,
    request: &HttpRequest,
    state: &AppState,
    name: &str,
    value: &str,
    life_s: u32,
) {
    let secure = if is_tls(request.head(), &state.config.web) { "; Secure" } else { "" };
    let unreadable = if name == CSRF { "" } else { "; HttpOnly" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={life_s}; SameSite=Strict{unreadable}{secure}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.append_header((SET_COOKIE, cookie));
    }
}
