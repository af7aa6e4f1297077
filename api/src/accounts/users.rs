//! Accounts: made, changed, deleted.

use crate::ids::{SessionId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::body::{RegisterBody, UpdateMeBody, UpdateUserBody};
use super::login_limits::LoginLimits;
use super::login_names::check_login_names;
use super::store::{NewUserRow, UserChangeset, UserRow};
use super::types::{Email, FullName, PasswordAttempt, Username};
use super::{login_limits, password, session_store, sessions, store};
use crate::auth::caller::{ACCOUNT_GONE, AuthUser};
use crate::auth::revocations;
use crate::http::error::{ApiError, violates};
use crate::http::extract::etag::IfMatch;
use crate::state::AppState;
use crate::{cache_entries, devices};

const LAST_ADMINISTRATOR: ApiError = ApiError::Conflict("This is the last administrator; appoint another one first.");
const PASSWORD_CHANGED: ApiError = ApiError::Conflict("The password has been changed meanwhile.");

/// What is to change in an account; `None` leaves it.
struct Changes {
    username: Option<Option<Username>>,
    email: Option<Option<Email>>,
    full_name: Option<Option<FullName>>,
    is_admin: Option<bool>,
    password: Option<PasswordChange>,
    /// The session that goes on when others end.
    kept_session: Option<SessionId>,
}

/// A new password's hash, and the one it may replace where that matters.
struct PasswordChange {
    new_hash: String,
    old_hash: Option<String>,
}

/// Makes an account.
///
/// # Errors
/// 409 when a name is taken; 429 before the password is hashed.
pub async fn register(state: &AppState, limits: &LoginLimits, body: RegisterBody) -> Result<UserRow, ApiError> {
    limits.come_in(state).await?;
    let password_hash = password::hash(body.password.into_secret(), state.config.auth.bcrypt_cost).await?;
    let now = state.clock.now();
    let row = NewUserRow {
        id: UserId::generate(),
        username: body.username.as_ref().map(Username::as_str),
        email: body.email.as_ref().map(Email::as_str),
        full_name: body.full_name.as_ref().map(FullName::as_str),
        password_hash: &password_hash,
        is_admin: false,
        created_at: now,
        updated_at: now,
    };
    store::insert_user(&mut *state.db.get().await?, &row).await.map_err(name_error)
}

/// Changes one's own account; a new password ends all sessions but the present one.
///
/// # Errors
/// 422 for a wrong current password, 409 for a name that is taken, 412 for another version.
pub async fn change_own(
    state: &AppState,
    caller: AuthUser,
    if_match: &IfMatch,
    body: UpdateMeBody,
) -> Result<UserRow, ApiError> {
    let password = match body.new_password.zip(body.current_password) {
        Some((new, current)) => {
            let old_hash = check_current_password(state, caller.user_id, current).await?;
            let new_hash = password::hash(new.into_secret(), state.config.auth.bcrypt_cost).await?;
            Some(PasswordChange { new_hash, old_hash: Some(old_hash) })
        }
        None => None,
    };
    let UpdateMeBody { username, email, full_name, .. } = body;
    let kept_session = Some(caller.session_id);
    let changes = Changes { username, email, full_name, is_admin: None, password, kept_session };
    change(state, caller.user_id, if_match, &changes).await?.ok_or(ACCOUNT_GONE)
}

async fn check_current_password(state: &AppState, id: UserId, current: PasswordAttempt) -> Result<String, ApiError> {
    let attempt = login_limits::own_password(state, id).await?;
    let hash = store::find_password_hash(&mut *state.db.get().await?, id).await?.ok_or(ACCOUNT_GONE)?;
    let cost = state.config.auth.bcrypt_cost;
    if !password::verify(current.into_secret(), Some(hash.clone()), cost).await? {
        return Err(ApiError::field("current_password", "wrong_password", "is not the current password"));
    }
    attempt.succeeded(state).await;
    Ok(hash)
}

/// Changes somebody's account, for an administrator.
///
/// # Errors
/// 404, 409 for a name that is taken and for the last administrator, 412 for another version.
pub async fn change_other(
    state: &AppState,
    id: UserId,
    if_match: &IfMatch,
    body: UpdateUserBody,
) -> Result<UserRow, ApiError> {
    let password = match body.password {
        Some(new) => {
            let new_hash = password::hash(new.into_secret(), state.config.auth.bcrypt_cost).await?;
            Some(PasswordChange { new_hash, old_hash: None })
        }
        None => None,
    };
    let UpdateUserBody { username, email, full_name, is_admin, .. } = body;
    let changes = Changes { username, email, full_name, is_admin, password, kept_session: None };
    change(state, id, if_match, &changes).await?.ok_or(ApiError::NotFound("user"))
}

async fn change(
    state: &AppState,
    id: UserId,
    if_match: &IfMatch,
    changes: &Changes,
) -> Result<Option<UserRow>, ApiError> {
    let mut connection = state.db.get().await?;
    let changed = connection.transaction(async |connection| apply(connection, state, id, if_match, changes).await);
    let Some((user, ended)) = changed.await? else {
        return Ok(None);
    };
    sessions::announce(state, &ended).await;
    Ok(Some(user))
}

/// Changes the row, and ends the sessions that must not outlive the change.
async fn apply(
    connection: &mut AsyncPgConnection,
    state: &AppState,
    id: UserId,
    if_match: &IfMatch,
    changes: &Changes,
) -> Result<Option<(UserRow, Vec<Uuid>)>, ApiError> {
    if changes.is_admin == Some(false) {
        refuse_last_administrator(connection, id).await?;
    }
    let Some(before) = store::lock_user(connection, id).await? else {
        return Ok(None);
    };
    if_match.check(before.updated_at)?;
    check_names(&before, changes)?;
    check_old_password(connection, id, changes).await?;
    let now = state.clock.now();
    let after = store::update_user(connection, id, &changeset(changes, &before, now)).await.map_err(name_error)?;

    let is_demoted = before.is_admin && !after.is_admin;
    let mut ended = Vec::new();
    if is_demoted || changes.password.is_some() {
        ended = session_store::list_live_sessions(connection, id).await?;
        ended.retain(|session| Some(*session) != changes.kept_session);
    }
    let subjects = sessions::end(connection, &ended, &state.config.auth, now).await?;
    Ok(Some((after, subjects)))
}

fn check_names(before: &UserRow, changes: &Changes) -> Result<(), ApiError> {
    if changes.username.is_none() && changes.email.is_none() {
        return Ok(());
    }
    let username = match &changes.username {
        Some(changed) => changed.as_ref().map(Username::as_str),
        None => before.username.as_deref(),
    };
    let email = match &changes.email {
        Some(changed) => changed.as_ref().map(Email::as_str),
        None => before.email.as_deref(),
    };
    check_login_names(username, email).map_err(|error| ApiError::field("username", error.code(), error))
}

/// The password was checked before the row was locked; meanwhile another request may have changed it.
async fn check_old_password(connection: &mut AsyncPgConnection, id: UserId, changes: &Changes) -> Result<(), ApiError> {
    let Some(checked) = changes.password.as_ref().and_then(|password| password.old_hash.as_ref()) else {
        return Ok(());
    };
    let present = store::find_password_hash(connection, id).await?;
    if present.as_ref() == Some(checked) { Ok(()) } else { Err(PASSWORD_CHANGED) }
}

fn changeset<'a>(changes: &'a Changes, before: &UserRow, now: DateTime<Utc>) -> UserChangeset<'a> {
    UserChangeset {
        username: changes.username.as_ref().map(|username| username.as_ref().map(Username::as_str)),
        email: changes.email.as_ref().map(|email| email.as_ref().map(Email::as_str)),
        full_name: changes.full_name.as_ref().map(|name| name.as_ref().map(FullName::as_str)),
        password_hash: changes.password.as_ref().map(|password| password.new_hash.as_str()),
        is_admin: changes.is_admin,
        // Each version has its own instant, also on a clock that was set back.
        updated_at: now.max(before.updated_at + TimeDelta::microseconds(1)),
    }
}

/// Deletes an account with everything it owns, and ends its tokens and those of its devices.
///
/// # Errors
/// 409 for the last administrator.
pub async fn delete(state: &AppState, id: UserId) -> Result<(), ApiError> {
    let now = state.clock.now();
    let mut connection = state.db.get().await?;
    let deleted = connection.transaction(async |connection| delete_owned(connection, state, id, now).await);
    let (subjects, devices) = deleted.await?;
    sessions::announce(state, &subjects).await;
    devices::announce_deleted(state, &devices).await;
    cache_entries::delete_all_of(&state.redis, id).await;
    Ok(())
}

async fn delete_owned(
    connection: &mut AsyncPgConnection,
    state: &AppState,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<(Vec<Uuid>, devices::DeletedDevices), ApiError> {
    let auth = &state.config.auth;
    refuse_last_administrator(connection, id).await?;
    store::lock_user(connection, id).await?.ok_or(ACCOUNT_GONE)?;
    let sessions = session_store::list_live_sessions(connection, id).await?;
    let mut subjects = sessions::end(connection, &sessions, auth, now).await?;
    let devices = devices::delete_all_of(connection, id, auth, now).await?;
    store::delete_user(connection, id).await?;
    let user = id.as_uuid();
    revocations::insert(connection, &[user], now, revocations::keep_for(auth.access_token_ttl_s)).await?;
    subjects.push(user);
    Ok((subjects, devices))
}

/// Without an administrator nobody could appoint one. The rows are locked, so that two who leave at once cannot both.
async fn refuse_last_administrator(connection: &mut AsyncPgConnection, id: UserId) -> Result<(), ApiError> {
    let administrators = store::lock_administrators(connection).await?;
    if administrators == [id] { Err(LAST_ADMINISTRATOR) } else { Ok(()) }
}

fn name_error(error: DieselError) -> ApiError {
    if violates(&error, "users_username_key") {
        ApiError::Conflict("This user name is taken.")
    } else if violates(&error, "users_email_key") {
        ApiError::Conflict("This e-mail address is taken.")
    } else {
        error.into()
    }
}
