//! Sessions: each sign-in begins one, its refresh tokens are its family, and what ends it ends its access tokens too.

use std::time::Duration;

use crate::ids::{SessionId, UserId};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::SecretString;
use uuid::Uuid;

use super::body::LoginBody;
use super::login_limits::LoginLimits;
use super::store::LoginRow;
use super::{password, session_store, store};
use crate::auth::revocations;
use crate::auth::secret::{self, SecretHash};
use crate::auth::tokens::Subject;
use crate::config::AuthConfig;
use crate::http::error::ApiError;
use crate::state::AppState;

/// One text for an unknown name and a wrong password: nobody learns which names exist.
const WRONG_LOGIN: ApiError = ApiError::Unauthorized("The name or the password is not right.");
const BAD_REFRESH_TOKEN: ApiError = ApiError::Unauthorized("The refresh token is not valid or has expired.");
const REUSED_REFRESH_TOKEN: ApiError =
    ApiError::Unauthorized("This refresh token was used before, so its session has been ended; sign in again.");

/// A session that goes on.
struct LiveSession {
    id: SessionId,
    user_id: UserId,
    is_admin: bool,
}

/// What a session is used with.
pub struct SessionTokens {
    /// Which.
    pub session_id: SessionId,
    /// For each request.
    pub access_token: String,
    /// For the next access token, once.
    pub refresh_token: SecretString,
    /// Life of the access token, s.
    pub expires_in_s: u32,
}

/// Signs somebody in.
///
/// # Errors
/// 401 for an unknown name and a wrong password alike, in the same time; 429 before any password is looked at.
pub async fn sign_in(state: &AppState, limits: &LoginLimits, login: LoginBody) -> Result<SessionTokens, ApiError> {
    limits.come_in(state).await?;
    // No connection is held while bcrypt works.
    let account = store::find_login(&mut *state.db.get().await?, login.username.as_str()).await?;
    let attempt = limits.attempt(state, login.username.as_str(), account.as_ref().map(|account| account.id)).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let matches = password::verify(login.password.into_secret(), hash, state.config.auth.bcrypt_cost).await?;
    let account = account.filter(|_| matches).ok_or(WRONG_LOGIN)?;

    let (now, refresh_token) = (state.clock.now(), secret::generate());
    let session = begin(state, &account, &refresh_token, now).await?.ok_or(WRONG_LOGIN)?;
    attempt.succeeded(state).await;
    hand_out(state, &session, refresh_token, now)
}

/// Begins a session, unless the account was deleted or its password changed since it was looked at.
async fn begin(
    state: &AppState,
    account: &LoginRow,
    refresh_token: &SecretString,
    now: DateTime<Utc>,
) -> Result<Option<LiveSession>, ApiError> {
    let (id, user_id) = (SessionId::generate(), account.id);
    let hash = SecretHash::of(refresh_token);
    let expires_at = now + refresh_ttl(&state.config.auth);
    let mut connection = state.db.get().await?;
    let begun = connection.transaction(async |connection| {
        let Some(is_admin) = store::lock_signed_in(connection, user_id, &account.password_hash).await? else {
            return QueryResult::Ok(None);
        };
        session_store::delete_expired_sessions(connection, user_id, now).await?;
        session_store::insert_session(connection, id, user_id, now).await?;
        session_store::insert_refresh_token(connection, &hash, id, expires_at).await?;
        Ok(Some(LiveSession { id, user_id, is_admin }))
    });
    Ok(begun.await?)
}

/// What came of a refresh token.
enum Exchange {
    Rotated(LiveSession),
    Reused(SessionId),
    Unknown,
}

/// Exchanges a refresh token for new tokens. One that was used before is in two hands, so the whole session ends.
///
/// # Errors
/// 401 for a token that is unknown, expired, used before, or of a session that has ended.
pub async fn refresh(state: &AppState, refresh_token: &SecretString) -> Result<SessionTokens, ApiError> {
    let (now, successor) = (state.clock.now(), secret::generate());
    let (old, new) = (SecretHash::of(refresh_token), SecretHash::of(&successor));
    let mut connection = state.db.get().await?;
    let exchange =
        connection.transaction(async |connection| exchange(connection, &old, &new, &state.config.auth, now).await);
    match exchange.await? {
        Exchange::Rotated(session) => hand_out(state, &session, successor, now),
        Exchange::Reused(session) => {
            announce(state, &[session.as_uuid()]).await;
            Err(REUSED_REFRESH_TOKEN)
        }
        Exchange::Unknown => Err(BAD_REFRESH_TOKEN),
    }
}

async fn exchange(
    connection: &mut AsyncPgConnection,
    old: &SecretHash,
    new: &SecretHash,
    auth: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<Exchange> {
    let Some(id) = session_store::use_refresh_token(connection, old, now).await? else {
        let Some(reused) = session_store::find_reused(connection, old).await? else {
            return Ok(Exchange::Unknown);
        };
        end(connection, &[reused], auth, now).await?;
        return Ok(Exchange::Reused(reused));
    };
    let Some((user_id, is_admin)) = session_store::find_live_session(connection, id).await? else {
        return Ok(Exchange::Unknown);
    };
    session_store::delete_expired_tokens(connection, id, now).await?;
    session_store::insert_refresh_token(connection, new, id, now + refresh_ttl(auth)).await?;
    Ok(Exchange::Rotated(LiveSession { id, user_id, is_admin }))
}

/// Ends a session, on every replica.
///
/// # Errors
/// The database's.
pub async fn sign_out(state: &AppState, session: SessionId) -> Result<(), ApiError> {
    let now = state.clock.now();
    let mut connection = state.db.get().await?;
    let ended = connection.transaction(async |connection| end(connection, &[session], &state.config.auth, now).await);
    announce(state, &ended.await?).await;
    Ok(())
}

/// The session a refresh token belongs to, used or not, if it goes on.
///
/// # Errors
/// The database's.
pub async fn find_by_refresh_token(state: &AppState, token: &SecretString) -> Result<Option<SessionId>, ApiError> {
    Ok(session_store::find_session(&mut *state.db.get().await?, &SecretHash::of(token)).await?)
}

/// Ends sessions in the caller's transaction; hands back what is to be told to [`announce`] once it has committed.
///
/// # Errors
/// The database's.
pub async fn end(
    connection: &mut AsyncPgConnection,
    sessions: &[SessionId],
    auth: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let subjects: Vec<_> = sessions.iter().map(|session| session.as_uuid()).collect();
    session_store::end_sessions(connection, sessions, now).await?;
    revocations::insert(connection, &subjects, now, revocations::keep_for(auth.access_token_ttl_s)).await?;
    Ok(subjects)
}

/// Makes ended sessions (and deleted users) count no longer, here and elsewhere.
pub async fn announce(state: &AppState, subjects: &[Uuid]) {
    let keep_for = revocations::keep_for(state.config.auth.access_token_ttl_s);
    state.auth.revocations.announce(&state.redis, subjects, keep_for).await;
}

fn hand_out(
    state: &AppState,
    session: &LiveSession,
    refresh_token: SecretString,
    now: DateTime<Utc>,
) -> Result<SessionTokens, ApiError> {
    let LiveSession { id: session_id, user_id, is_admin } = *session;
    let expires_in_s = state.config.auth.access_token_ttl_s;
    let subject = Subject::User { user_id, session_id, is_admin };
    let access_token = state.auth.tokens.issue(subject, now, Duration::from_secs(expires_in_s.into()))?;
    Ok(SessionTokens { session_id, access_token, refresh_token, expires_in_s })
}

fn refresh_ttl(auth: &AuthConfig) -> Duration {
    Duration::from_secs(auth.refresh_token_ttl_s.into())
}
