//! Who is asking.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::{CredentialId, DeviceId, SessionId, UserId};

use crate::error::ApiError;
use crate::state::AppState;
use crate::tokens::Subject;

/// Whoever sends data: a device, a person, or nobody in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A device, with a token made from one of its secrets.
    Device(DeviceId),
    /// A person.
    User(UserId),
    /// No `Authorization` at all.
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
    let user = match subject(request)?.ok_or(MISSING)? {
        Subject::User { user_id, session_id, is_admin } => AuthUser { user_id, session_id, is_admin },
        Subject::Device { .. } => {
            return Err(ApiError::Forbidden("A device's token cannot do this; sign in as a user."));
        }
    };
    let state = state(request)?;
    let known_here = |revoked: uuid::Uuid| state.revocations.contains(revoked);
    if known_here(user.session_id.as_uuid()) || known_here(user.user_id.as_uuid()) {
        return Err(REVOKED);
    }
    match state.cache.is_revoked(user.session_id.as_uuid()).await {
        Ok(true) => Err(REVOKED),
        Ok(false) => Ok(user),
        Err(error) => {
            tracing::debug!(%error, "revocation not asked of Redis");
            Ok(user)
        }
    }
}

/// A signed-in administrator.
#[derive(Debug, Clone, Copy)]
pub struct AuthAdmin(pub AuthUser);

impl FromRequest for AuthAdmin {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let user = signed_in(&request).await?;
            if user.is_admin { Ok(Self(user)) } else { Err(ApiError::Forbidden("Only an administrator can do this.")) }
        })
    }
}

/// For a token that is good but whose account has been deleted a moment ago.
pub const ACCOUNT_GONE: ApiError = ApiError::Unauthorized("The account of this access token no longer exists.");
const MISSING: ApiError = ApiError::Unauthorized("Send an access token: Authorization: Bearer ….");
const INVALID: ApiError = ApiError::Unauthorized("The access token is not valid or has expired.");
const REVOKED: ApiError = ApiError::Unauthorized("The access token has been revoked.");

/// Whom the `Authorization` header speaks for; `None` where there is no such header.
fn subject(request: &HttpRequest) -> Result<Option<Subject>, ApiError> {
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        return Ok(None);
    };
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(INVALID)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(INVALID);
    }
    let state = state(request)?;
    state.tokens.read(token.trim(), state.clock.now()).ok_or(INVALID).map(Some)
}

fn state(request: &HttpRequest) -> Result<&web::Data<AppState>, ApiError> {
    request.app_data().ok_or_else(|| ApiError::Internal("the application has no state".into()))
}
