//! Sessions begun, refreshed and ended: each sign-in begins one, its refresh tokens are its family, and what ends it
//! revokes its access tokens too.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::Uuid;
use secrecy::SecretString;

use super::sign_in_limits::SignInLimits;
use super::store::{self, LoginRow};
use super::types::{LoginBody, SessionTokens};
use crate::auth::password::{Comparison, HashingFor, PasswordAttempt};
use crate::auth::secret::{self, SecretHash};
use crate::auth::tokens::Subject;
use crate::auth::{Auth, revocations};
use crate::config::{AuthConfig, whole_seconds};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::{SessionId, UserId};

/// One text for an unknown name and a wrong password: nobody learns which names exist.
const WRONG_LOGIN: ApiError = ApiError::Unauthorized("The name or the password is not right.");
const BAD_REFRESH_TOKEN: ApiError = ApiError::Unauthorized("The refresh token is not valid or has expired.");
const REUSED_REFRESH_TOKEN: ApiError =
    ApiError::Unauthorized("This refresh token was used before, so its session has been ended; sign in again.");

struct LiveSession {
    id: SessionId,
    user_id: UserId,
    is_admin: bool,
}

/// Signs somebody in: 401 for an unknown name and a wrong password alike, in the same time; 429 before any password is
/// compared.
pub async fn sign_in(
    db: &DbPool,
    auth: &Auth,
    limits: &SignInLimits,
    login: LoginBody,
) -> Result<SessionTokens, ApiError> {
    limits.check_sign_in().await?;
    // No connection is held while bcrypt works.
    let (account, decoy) = find_account(db, login.username.as_str()).await?;
    let attempt = limits.check_account(login.username.as_str(), account.as_ref().map(|account| account.id)).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let comparison = auth.passwords.verify(login.password.clone(), hash.or(decoy), attempt.hashing()).await?;
    let mut account = account.filter(|_| comparison.is_right()).ok_or(WRONG_LOGIN)?;
    renew_hash(db, auth, &mut account, login.password.clone(), comparison, attempt.hashing()).await;
    let (now, refresh_token) = (auth.clock.now(), secret::generate());
    let session = match begin(db, &auth.config, &account, &refresh_token, now).await? {
        Some(session) => session,
        None => begin_again(db, auth, &login, &refresh_token, attempt.hashing()).await?,
    };
    attempt.succeeded().await;
    issue_tokens(auth, &session, refresh_token, now)
}

/// The account of that name, and the hash that a password is compared with where there is none; always both, since what
/// is looked up takes time too.
async fn find_account(db: &DbPool, name: &str) -> Result<(Option<LoginRow>, Option<String>), ApiError> {
    let mut connection = db.get().await?;
    let account = store::find_login(&mut connection, name).await?;
    Ok((account, store::find_decoy_hash(&mut connection, name).await?))
}

/// Hashes the password again where `BCRYPT_COST` is no longer that of its hash, or the hash is that of what was typed
/// before passwords were compared by RFC 8265. A failure is none of the sign-in's: the next one tries again.
async fn renew_hash(
    db: &DbPool,
    auth: &Auth,
    account: &mut LoginRow,
    password: PasswordAttempt,
    comparison: Comparison,
    whom: HashingFor,
) {
    let rehash = async {
        let new = auth.passwords.rehash(password, &account.password_hash, comparison, whom).await?;
        let Some(new) = new else { return Ok(None) };
        let is_replaced = store::replace_hash(&mut *db.get().await?, account.id, &account.password_hash, &new).await?;
        Ok::<_, ApiError>(is_replaced.then_some(new))
    };
    match rehash.await {
        Ok(Some(hash)) => account.password_hash = hash,
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a password keeps its earlier hash"),
    }
}

/// Begins a session, unless the account was deleted or its password changed since it was looked up.
async fn begin(
    db: &DbPool,
    config: &AuthConfig,
    account: &LoginRow,
    refresh_token: &SecretString,
    now: DateTime<Utc>,
) -> Result<Option<LiveSession>, ApiError> {
    let (id, user_id) = (SessionId::generate(), account.id);
    let hash = SecretHash::of(refresh_token);
    let expires_at = now + config.refresh_token_ttl;
    let mut connection = db.get().await?;
    let begun = connection.transaction(async |connection| {
        let Some(is_admin) = store::lock_signed_in(connection, user_id, &account.password_hash).await? else {
            return QueryResult::Ok(None);
        };
        store::delete_expired_sessions(connection, user_id, now).await?;
        store::insert_session(connection, id, user_id, now).await?;
        store::insert_refresh_token(connection, &hash, id, expires_at).await?;
        Ok(Some(LiveSession { id, user_id, is_admin }))
    });
    Ok(begun.await?)
}

/// The password's hash is another since it was looked up: another sign-in may have hashed the same password again.
async fn begin_again(
    db: &DbPool,
    auth: &Auth,
    login: &LoginBody,
    refresh_token: &SecretString,
    whom: HashingFor,
) -> Result<LiveSession, ApiError> {
    let now = auth.clock.now();
    let account = store::find_login(&mut *db.get().await?, login.username.as_str()).await?.ok_or(WRONG_LOGIN)?;
    if !auth.passwords.verify(login.password.clone(), Some(account.password_hash.clone()), whom).await?.is_right() {
        return Err(WRONG_LOGIN);
    }
    begin(db, &auth.config, &account, refresh_token, now).await?.ok_or(WRONG_LOGIN)
}

/// What became of a refresh token.
enum Exchange {
    Rotated(LiveSession),
    Reused(SessionId),
    Unknown,
}

/// Exchanges a refresh token for new tokens. One that was used before is in two hands, so the whole session ends; but the
/// newest token's predecessor is answered again for `REFRESH_REUSE_S`, with that newest token and an access token of its
/// own: an answer can be lost, and two tabs can ask at once.
pub async fn refresh(db: &DbPool, auth: &Auth, refresh_token: &SecretString) -> Result<SessionTokens, ApiError> {
    let (now, successor) = (auth.clock.now(), auth.tokens.successor(refresh_token)?);
    let (old, new) = (SecretHash::of(refresh_token), SecretHash::of(&successor));
    let mut connection = db.get().await?;
    let exchange = connection.transaction(async |connection| exchange(connection, &auth.config, &old, &new, now).await);
    match exchange.await? {
        Exchange::Rotated(session) => issue_tokens(auth, &session, successor, now),
        Exchange::Reused(session) => {
            auth.announce_revoked(&[session.as_uuid()], keep_for(&auth.config)).await;
            Err(REUSED_REFRESH_TOKEN)
        }
        Exchange::Unknown => Err(BAD_REFRESH_TOKEN),
    }
}

async fn exchange(
    connection: &mut AsyncPgConnection,
    config: &AuthConfig,
    old: &SecretHash,
    new: &SecretHash,
    now: DateTime<Utc>,
) -> QueryResult<Exchange> {
    let Some(id) = store::use_refresh_token(connection, old, now).await? else {
        return exchange_again(connection, config, old, new, now).await;
    };
    let Some((user_id, is_admin)) = store::find_live_session(connection, id).await? else {
        return Ok(Exchange::Unknown);
    };
    store::delete_expired_tokens(connection, id, now).await?;
    store::insert_refresh_token(connection, new, id, now + config.refresh_token_ttl).await?;
    Ok(Exchange::Rotated(LiveSession { id, user_id, is_admin }))
}

/// Of two who come at once, the second waits in [`store::use_refresh_token`] for the first, and sees its successor here.
async fn exchange_again(
    connection: &mut AsyncPgConnection,
    config: &AuthConfig,
    old: &SecretHash,
    new: &SecretHash,
    now: DateTime<Utc>,
) -> QueryResult<Exchange> {
    let Some((id, used_at)) = store::find_reused(connection, old).await? else {
        return Ok(Exchange::Unknown);
    };
    let is_recent = !config.refresh_reuse.is_zero() && now < used_at + config.refresh_reuse;
    if is_recent && store::is_unused(connection, new, now).await? {
        let live = store::find_live_session(connection, id).await?;
        let live = live.map(|(user_id, is_admin)| LiveSession { id, user_id, is_admin });
        return Ok(live.map_or(Exchange::Unknown, Exchange::Rotated));
    }
    end(connection, &[id], config, now).await?;
    Ok(Exchange::Reused(id))
}

/// Ends a session, on every replica.
pub async fn sign_out(db: &DbPool, auth: &Auth, session: SessionId) -> Result<(), ApiError> {
    let now = auth.clock.now();
    let mut connection = db.get().await?;
    let ended = connection.transaction(async |connection| end(connection, &[session], &auth.config, now).await);
    auth.announce_revoked(&ended.await?, keep_for(&auth.config)).await;
    Ok(())
}

/// Ends sessions in the caller's transaction; returns the subjects for [`Auth::announce_revoked`] once it has committed.
pub async fn end(
    connection: &mut AsyncPgConnection,
    sessions: &[SessionId],
    config: &AuthConfig,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let subjects: Vec<_> = sessions.iter().map(|session| session.as_uuid()).collect();
    store::end_sessions(connection, sessions, now).await?;
    revocations::insert(connection, &subjects, now, keep_for(config)).await?;
    Ok(subjects)
}

fn issue_tokens(
    auth: &Auth,
    session: &LiveSession,
    refresh_token: SecretString,
    now: DateTime<Utc>,
) -> Result<SessionTokens, ApiError> {
    let LiveSession { id: session_id, user_id, is_admin } = *session;
    let ttl = auth.config.access_token_ttl;
    let subject = Subject::User { user_id, session_id, is_admin };
    let access_token = auth.tokens.issue(subject, now, ttl)?;
    Ok(SessionTokens { session_id, access_token, refresh_token, expires_in_s: whole_seconds(ttl) })
}

fn keep_for(config: &AuthConfig) -> Duration {
    revocations::keep_for(config.access_token_ttl)
}
