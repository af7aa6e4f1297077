//! What goes out.

use crate::ids::UserId;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::sessions::SessionTokens;
use super::store::UserRow;

/// A new account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "username": "ana", "email": null, "created_at": "2026-11-21T02:27:09.501348Z"}))]
pub struct RegisterResponse {
    /// Its id.
    id: UserId,
    /// The user name.
    username: Option<String>,
    /// The e-mail address.
    email: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<UserRow> for RegisterResponse {
    fn from(row: UserRow) -> Self {
        Self { id: row.id, username: row.username, email: row.email, created_at: row.created_at }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "username": "ana", "email": null,
    "full_name": "Ana Lima", "is_admin": false, "created_at": "2026-11-21T02:27:09.501348Z",
    "updated_at": "2026-11-21T02:27:09.501348Z"}))]
pub struct UserResponse {
    /// Its id.
    pub id: UserId,
    /// The user name.
    username: Option<String>,
    /// The e-mail address.
    email: Option<String>,
    /// What they are called.
    full_name: Option<String>,
    /// Whether they are an administrator.
    is_admin: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<UserRow> for UserResponse {
    fn from(row: UserRow) -> Self {
        let UserRow { id, username, email, full_name, is_admin, created_at, updated_at } = row;
        Self { id, username, email, full_name, is_admin, created_at, updated_at }
    }
}

/// Tokens of a session.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// For `/auth/refresh`, once.
    refresh_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Life of the access token, s.
    #[schema(example = 900)]
    expires_in: u32,
}

impl From<SessionTokens> for TokenResponse {
    fn from(tokens: SessionTokens) -> Self {
        let refresh_token = tokens.refresh_token.expose_secret().to_owned();
        Self { access_token: tokens.access_token, refresh_token, token_type: "bearer", expires_in: tokens.expires_in_s }
    }
}

/// A session whose tokens are in cookies, where no script can read them.
#[derive(Serialize, ToSchema)]
pub struct CookieSessionResponse {
    /// Always `cookie`.
    #[schema(example = "cookie")]
    token_type: &'static str,
    /// Until when to call `/auth/refresh`, s.
    #[schema(example = 900)]
    expires_in: u32,
    /// For the header `X-CSRF-Token` of everything but GET; also in the cookie `pulso_csrf`.
    csrf_token: String,
}

impl CookieSessionResponse {
    /// The answer that goes with the cookies.
    #[must_use]
    pub fn new(expires_in: u32, csrf_token: String) -> Self {
        Self { token_type: "cookie", expires_in, csrf_token }
    }
}
