//! The caller of a request: extractors for handlers' signatures.

use std::future::{Ready, ready};

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::DeviceId;
use pulso_shared::ids::Uuid;

use super::cookie;
use super::parts::Auth;
use super::tokens::Subject;
use crate::http::client_address::is_tls;
use crate::http::error::ApiError;
use crate::http::middleware::Personal;
use crate::ids::{SessionId, UserId};

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

impl Caller {
    /// The id of whoever it is.
    pub fn uuid(self) -> Option<Uuid> {
        match self {
            Self::Device(id) => Some(id.as_uuid()),
            Self::User(id) => Some(id.as_uuid()),
            Self::Anonymous => None,
        }
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// Decides from memory alone: this is on the path of every heartbeat.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // What devices send is answered with nothing of theirs.
        if request.method().is_safe() {
            Personal::mark(request);
        }
        ready(caller(request))
    }
}

fn caller(request: &HttpRequest) -> Result<Caller, ApiError> {
    let auth = auth(request)?;
    let Some(subject) = auth.subject(request)? else {
        return Ok(Caller::Anonymous);
    };
    auth.check_not_revoked(subject)?;
    Ok(match subject {
        Subject::Device { device_id, .. } => Caller::Device(device_id),
        Subject::User { user_id, .. } => Caller::User(user_id),
    })
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
        Personal::mark(request);
        let request = request.clone();
        Box::pin(async move { signed_in(&request).await })
    }
}

async fn signed_in(request: &HttpRequest) -> Result<AuthUser, ApiError> {
    let user = signed_in_here(request)?;
    match auth(request)?.redis.is_revoked(user.session_id.as_uuid()).await {
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
    let auth = auth(request)?;
    let subject = auth.subject(request)?.ok_or(MISSING)?;
    // First: whoever shows a token that is worth nothing is nobody, whatever it was once good for.
    auth.check_not_revoked(subject)?;
    let Subject::User { user_id, session_id, is_admin } = subject else {
        return Err(ApiError::Forbidden("A device's token cannot do this; sign in as a user."));
    };
    Ok(AuthUser { user_id, session_id, is_admin })
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
        Personal::mark(request);
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

impl Auth {
    /// Whom the request speaks for, by its `Authorization` header or, where there is none, by its cookie; `None` where
    /// it has neither.
    fn subject(&self, request: &HttpRequest) -> Result<Option<Subject>, ApiError> {
        let Some(header) = request.headers().get(AUTHORIZATION) else {
            return self.subject_of_cookie(request);
        };
        let token = bearer_token(header).ok_or(INVALID)?;
        self.tokens.read(token, self.clock.now()).ok_or(INVALID).map(Some)
    }

    /// A browser adds the cookie to any page's requests, so whatever changes something has to show the CSRF token too.
    fn subject_of_cookie(&self, request: &HttpRequest) -> Result<Option<Subject>, ApiError> {
        let Some(token) = cookie::find(request.headers(), cookie::ACCESS, is_tls(request.head(), &self.web)) else {
            return Ok(None);
        };
        let Some(subject @ Subject::User { session_id, .. }) = self.tokens.read(token, self.clock.now()) else {
            return Err(INVALID);
        };
        let csrf_token = self.tokens.csrf_token(session_id)?;
        if request.method().is_safe() || cookie::shows_csrf_token(request.headers(), &csrf_token) {
            Ok(Some(subject))
        } else {
            Err(cookie::CSRF_MISSING)
        }
    }

    /// As far as this replica knows from memory.
    fn check_not_revoked(&self, subject: Subject) -> Result<(), ApiError> {
        let is_revoked = match subject {
            Subject::User { user_id, session_id, .. } => {
                self.revocations.contains(session_id.as_uuid()) || self.revocations.contains(user_id.as_uuid())
            }
            Subject::Device { device_id, credential_id, owner_id } => {
                self.revocations.contains(credential_id.as_uuid())
                    || self.revocations.contains(device_id.as_uuid())
                    || owner_id.is_some_and(|owner| self.revocations.contains(owner.as_uuid()))
            }
        };
        if is_revoked { Err(REVOKED) } else { Ok(()) }
    }

    /// Whom a request's token names, even if it has been revoked.
    pub fn claimed(&self, request: &RequestHead) -> Option<Subject> {
        let token = match request.headers.get(AUTHORIZATION) {
            Some(header) => bearer_token(header)?,
            None => cookie::find(&request.headers, cookie::ACCESS, is_tls(request, &self.web))?,
        };
        self.tokens.read(token, self.clock.now())
    }
}

fn bearer_token(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn auth(request: &HttpRequest) -> Result<&Data<Auth>, ApiError> {
    request.app_data().ok_or_else(|| ApiError::Internal("the application has no authentication".into()))
}
