//! Bodies and responses of sign-in and refresh.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::password::PasswordAttempt;
use crate::http::error::ApiError;
use crate::http::extract::fields::{Fields, Names, body, optional, required};
use crate::http::text::{self, text_type};
use crate::ids::SessionId;

text_type! {
    /// What is typed into a sign-in form: a user name or an e-mail address, which has at most 254 characters (RFC 5321).
    LoginName, text::line, 254
}

body! {
    /// A sign-in; JSON or a form.
    pub struct LoginBody {
        /// The user name or the e-mail address; `email` is another name for this field.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 254, example = "ana")]
        pub username: LoginName = required("username", "email"),
        #[schema(value_type = String, format = "password", example = "correct horse")]
        pub password: PasswordAttempt = required,
    }
}

body! {
    /// A refresh token, to be exchanged; a page signed in by cookie sends none.
    #[schema(example = json!({"refresh_token": "5d1c9f0a7b3e…"}))]
    pub struct RefreshBody {
        /// The newest one of the session, or for a moment the one before. Using an older one ends the session: somebody
        /// else may have it.
        #[schema(value_type = String, required = true)]
        pub refresh_token: Option<SecretString> = optional_secret,
    }
    const MAY_BE_EMPTY: bool = true;
}

fn optional_secret(fields: &mut Fields, names: Names) -> Option<Option<SecretString>> {
    optional::<String>(fields, names).map(|secret| secret.map(SecretString::from))
}

/// Where a session's tokens are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
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
    pub fn keeping(&self) -> Result<Keeping, ApiError> {
        match self.session.as_deref() {
            None | Some("" | "token") => Ok(Keeping::Token),
            Some("cookie") => Ok(Keeping::Cookie),
            Some(_) => Err(ApiError::field("session", "invalid", "must be cookie or token")),
        }
    }
}

/// What a session is used with.
pub struct SessionTokens {
    pub session_id: SessionId,
    pub access_token: String,
    /// For the next access token, once.
    pub refresh_token: SecretString,
    /// Life of the access token, s.
    pub expires_in_s: u32,
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
    /// For the header `X-CSRF-Token` of everything but GET; also in the cookie `pulso_csrf`, by TLS `__Host-pulso_csrf`.
    csrf_token: String,
}

/// Tokens, or a session whose tokens are in cookies, as the request wanted it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents the response; either is written by itself")]
pub enum SessionResponse {
    Token(TokenResponse),
    Cookie(CookieSessionResponse),
}

impl CookieSessionResponse {
    pub fn new(expires_in: u32, csrf_token: String) -> Self {
        Self { token_type: "cookie", expires_in, csrf_token }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;

    use super::{Keeping, LoginBody, RefreshBody, SessionQuery};
    use crate::http::extract::json::parse;

    #[test]
    fn a_session_is_kept_by_the_client_unless_it_asks_for_cookies() {
        let keeping = |query: &str| Query::<SessionQuery>::from_query(query).unwrap().keeping().ok();
        for (query, expected) in [
            ("", Some(Keeping::Token)),
            ("session=", Some(Keeping::Token)),
            ("session=token", Some(Keeping::Token)),
            ("session=cookie", Some(Keeping::Cookie)),
            ("session=jar", None),
        ] {
            assert_eq!(keeping(query), expected, "{query}");
        }
    }

    #[test]
    fn an_address_signs_in_under_either_name_of_the_field() {
        for body in
            [r#"{"email": "ana@example.com", "password": "x"}"#, r#"{"username": "ana@example.com", "password": "x"}"#]
        {
            assert_eq!(parse::<LoginBody>(body.as_bytes()).unwrap().username.as_str(), "ana@example.com");
        }
        assert!(parse::<LoginBody>(br#"{"username": "ana"}"#).is_err());
    }

    #[test]
    fn a_page_signed_in_by_cookie_sends_no_refresh_token() {
        assert!(parse::<RefreshBody>(b"{}").unwrap().refresh_token.is_none());
        assert!(parse::<RefreshBody>(br#"{"refresh_token": 5}"#).is_err());
    }
}
