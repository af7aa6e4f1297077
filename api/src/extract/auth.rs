//! Who is asking.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest, web};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::{CredentialId, DeviceId, SessionId, UserId};

use super::cookie;
use crate::error::ApiError;
use crate::state::AppState;
use crate::tokens::{Subject, Tokens};

/// Whoever sends data: a device, a person, or nobody in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A device, with a token made from one of its secrets.
    Device(DeviceId),
    /// A person.
    User(UserId),
    /// Neither `Authorization` nor a cookie.
    Anonymous,
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// Decides from memory alone: this is on the path of every heartbeat.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, ApiError> {
    let Some(subject) = subject(request)? else {
        return Ok(Caller::Anonymous);
    };
    match subject {
        Subject::Device { device_id, credential_id } => live_device(request, device_id, credential_id),
        Subject::User { user_id, session_id, .. } => {
            let revocations = &state(request)?.revocations;
            if revocations.contains(session_id.as_uuid()) || revocations.contains(user_id.as_uuid()) {
                return Err(REVOKED);
            }
            Ok(Caller::User(user_id))
        }
    }
}

fn live_device(request: &HttpRequest, device_id: DeviceId, credential_id: CredentialId) -> Result<Caller, ApiError> {
    let revocations = &state(request)?.revocations;
    if revocations.contains(credential_id.as_uuid()) || revocations.contains(device_id.as_uuid()) {
        return Err(REVOKED);
    }
    Ok(Caller::Device(device_id))
}

/// A person who is signed in.
#[derive(Debug, Clone, Copy)]
pub struct AuthUser {
    /// Who.
    pub user_id: UserId,
    /// By which sign-in.
    pub session_id: SessionId,
    /// Whether they are an administrator.
    pub is_admin: bool,
}

impl FromRequest for AuthUser {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    /// Asks Redis as well, so that a logout on another replica counts at once.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { signed_in(&request).await })
    }
}

async fn signed_in(request: &HttpRequest) -> Result<AuthUser, ApiError> {
    let user = signed_in_here(request)?;
    match state(request)?.cache.is_revoked(user.session_id.as_uuid()).await {
        Ok(true) => Err(REVOKED),
        Ok(false) => Ok(user),
        Err(error) => {
            tracing::debug!(%error, "revocation not asked of Redis");
            Ok(user)
        }
    }
}

/// As far as this replica knows from memory.
fn signed_in_here(request: &HttpRequest) -> Result<AuthUser, ApiError> {
    let user = match subject(request)?.ok_or(MISSING)? {
        Subject::User { user_id, session_id, is_admin } => AuthUser { user_id, session_id, is_admin },
        Subject::Device { .. } => {
            return Err(ApiError::Forbidden("A device's token cannot do this; sign in as a user."));
        }
    };
    let revocations = &state(request)?.revocations;
    if revocations.contains(user.session_id.as_uuid()) || revocations.contains(user.user_id.as_uuid()) {
        return Err(REVOKED);
    }
    Ok(user)
}

/// A signed-in administrator.
#[derive(Debug, Clone, Copy)]
pub struct AuthAdmin(pub AuthUser);

impl FromRequest for AuthAdmin {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    /// Refuses whoever is none before it asks Redis: of a handler's extractors the one that fails first in time answers,
    /// and a body that is here already would fail while Redis is asked.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            if !signed_in_here(&request)?.is_admin {
                return Err(ApiError::Forbidden("Only an administrator can do this."));
            }
            signed_in(&request).await.map(Self)
        })
    }
}

/// For a token that is good but whose account has been deleted a moment ago.
pub const ACCOUNT_GONE: ApiError = ApiError::Unauthorized("The account of this access token no longer exists.");
const MISSING: ApiError = ApiError::Unauthorized("Send an access token: Authorization: Bearer ….");
const INVALID: ApiError = ApiError::Unauthorized("The access token is not valid or has expired.");
const REVOKED: ApiError = ApiError::Unauthorized("The access token has been revoked.");

/// Whom the request speaks for, by its `Authorization` header or, where there is none, by its cookie; `None` where it
/// has neither.
fn subject(request: &HttpRequest) -> Result<Option<Subject>, ApiError> {
    let headers = request.headers();
    let Some(header) = headers.get(AUTHORIZATION) else {
        return by_cookie(request);
    };
    let token = bearer_token(header).ok_or(INVALID)?;
    let state = state(request)?;
    state.tokens.read(token, state.clock.now()).ok_or(INVALID).map(Some)
}

fn bearer_token(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A browser adds the cookie to any page's requests, so whatever changes something has to show the CSRF token as well.
fn by_cookie(request: &HttpRequest) -> Result<Option<Subject>, ApiError> {
    let Some(token) = cookie::named(request.headers(), cookie::ACCESS) else {
        return Ok(None);
    };
    let state = state(request)?;
    let tokens = &state.tokens;
    let Some(subject @ Subject::User { session_id, .. }) = tokens.read(token, state.clock.now()) else {
        return Err(INVALID);
    };
    if request.method().is_safe() || cookie::shows_csrf_token(request.headers(), &tokens.csrf_token(session_id)?) {
        Ok(Some(subject))
    } else {
        Err(cookie::CSRF_MISSING)
    }
}

/// The user a request's token names, be it that it no longer counts.
#[must_use]
pub fn claimed_user(tokens: &Tokens, headers: &HeaderMap, now: DateTime<Utc>) -> Option<UserId> {
    let token = match headers.get(AUTHORIZATION) {
        Some(header) => bearer_token(header)?,
        None => cookie::named(headers, cookie::ACCESS)?,
    };
    match tokens.read(token, now)? {
        Subject::User { user_id, .. } => Some(user_id),
        Subject::Device { .. } => None,
    }
}

fn state(request: &HttpRequest) -> Result<&web::Data<AppState>, ApiError> {
    request.app_data().ok_or_else(|| ApiError::Internal("the application has no state".into()))
}
