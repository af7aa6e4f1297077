//! Accounts: created, changed, deleted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::Error as DieselError;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::Uuid;

use super::audit_events;
use super::names::{Email, FullName, Username, check_login_names};
use super::store::{self, NewUserRow, UserChangeset, UserRow};
use super::types::{DeleteMeBody, RegisterBody, UpdateMeBody, UpdateUserBody};
use crate::audit;
use crate::auth::caller::{ACCOUNT_GONE, AuthUser};
use crate::auth::password::{HashingFor, PasswordAttempt};
use crate::auth::{Auth, revocations};
use crate::cache_entries;
use crate::config::AuthConfig;
use crate::db::DbPool;
use crate::http::error::{ApiError, violates};
use crate::http::extract::etag::IfMatch;
use crate::http::holder::Holder;
use crate::ids::{SessionId, UserId};
use crate::sessions::{self, SignInLimiter, SignInLimits};

const LAST_ADMINISTRATOR: ApiError = ApiError::Conflict("This is the last administrator; appoint another one first.");
const PASSWORD_CHANGED: ApiError = ApiError::Conflict("The password has been changed meanwhile.");

/// What is to change in an account; `None` leaves it.
struct Changes {
    username: Option<Option<Username>>,
    email: Option<Option<Email>>,
    full_name: Option<Option<FullName>>,
    is_admin: Option<bool>,
    /// A new password's hash.
    password_hash: Option<String>,
    /// Whoever makes the changes.
    by: ChangedBy,
}

enum ChangedBy {
    Administrator,
    Owner {
        /// The hash of the current password, where they have shown that they know it.
        proven_hash: Option<String>,
        /// The session that remains when others end.
        session: SessionId,
    },
}

/// Creates an account: 429 before the password is hashed, 409 when a name is taken.
pub async fn register(
    db: &DbPool,
    auth: &Auth,
    limits: &SignInLimits,
    body: RegisterBody,
) -> Result<UserRow, ApiError> {
    limits.check_sign_in().await?;
    let password_hash = auth.passwords.hash(body.password, Some(limits.hashing())).await?;
    let now = auth.clock.now();
    let row = NewUserRow {
        id: UserId::generate(),
        username: body.username.as_ref().map(Username::as_str),
        email: body.email.as_ref().map(Email::as_str),
        full_name: body.full_name.as_ref().map(FullName::as_str),
        password_hash: &password_hash,
        is_admin: false,
        created_at: now,
        updated_at: now,
        username_mapped: body.username.as_ref().map(Username::key),
        email_mapped: body.email.as_ref().map(Email::key),
    };
    store::insert_user(&mut *db.get().await?, &row).await.map_err(name_error)
}

/// Changes one's own account; a new password ends all sessions but the caller's. 422 for a wrong current password.
pub async fn change_own(
    db: &DbPool,
    auth: &Auth,
    limiter: &SignInLimiter,
    caller: AuthUser,
    if_match: &IfMatch,
    body: UpdateMeBody,
) -> Result<UserRow, ApiError> {
    let UpdateMeBody { username, email, full_name, new_password, current_password } = body;
    let needs_proof = new_password.is_some() || username.is_some() || email.is_some();
    // Before the transaction, so that no row is locked while bcrypt works.
    let proven_hash = match current_password.filter(|_| needs_proof) {
        Some(current) => Some(check_current_password(db, auth, limiter, caller.user_id, current).await?),
        None => None,
    };
    let whom = HashingFor { holder: Holder::Caller(caller.user_id.as_uuid()), is_known: true };
    let password_hash = match new_password {
        Some(new) => Some(auth.passwords.hash(new, Some(whom)).await?),
        None => None,
    };
    let by = ChangedBy::Owner { proven_hash, session: caller.session_id };
    let changes = Changes { username, email, full_name, is_admin: None, password_hash, by };
    change(db, auth, caller.user_id, caller.user_id, if_match, &changes).await?.ok_or(ACCOUNT_GONE)
}

/// Refuses to delete an account for somebody who does not know its password.
pub async fn confirm_deletion(
    db: &DbPool,
    auth: &Auth,
    limiter: &SignInLimiter,
    id: UserId,
    body: DeleteMeBody,
) -> Result<(), ApiError> {
    let missing = || ApiError::field("current_password", "required", "is required to delete the account");
    let current = body.current_password.ok_or_else(missing)?;
    check_current_password(db, auth, limiter, id, current).await.map(|_| ())
}

/// The hash of the current password, if `current` is that password.
async fn check_current_password(
    db: &DbPool,
    auth: &Auth,
    limiter: &SignInLimiter,
    id: UserId,
    current: PasswordAttempt,
) -> Result<String, ApiError> {
    let attempt = limiter.check_own_password(id).await?;
    let hash = store::find_password_hash(&mut *db.get().await?, id).await?.ok_or(ACCOUNT_GONE)?;
    if !auth.passwords.verify(current, Some(hash.clone()), attempt.hashing()).await?.is_right() {
        return Err(ApiError::field("current_password", "wrong_password", "is not the current password"));
    }
    attempt.succeeded().await;
    Ok(hash)
}

/// Changes somebody's account, for an administrator.
pub async fn change_other(
    db: &DbPool,
    auth: &Auth,
    actor: UserId,
    id: UserId,
    if_match: &IfMatch,
    body: UpdateUserBody,
) -> Result<UserRow, ApiError> {
    let password_hash = match body.password {
        // An administrator's.
        Some(new) => Some(auth.passwords.hash(new, None).await?),
        None => None,
    };
    let UpdateUserBody { username, email, full_name, is_admin, .. } = body;
    let changes = Changes { username, email, full_name, is_admin, password_hash, by: ChangedBy::Administrator };
    change(db, auth, actor, id, if_match, &changes).await?.ok_or(ApiError::NotFound("user"))
}

async fn change(
    db: &DbPool,
    auth: &Auth,
    actor: UserId,
    id: UserId,
    if_match: &IfMatch,
    changes: &Changes,
) -> Result<Option<UserRow>, ApiError> {
    let mut connection = db.get().await?;
    let changed =
        connection.transaction(async |connection| apply(connection, auth, actor, id, if_match, changes).await);
    let Some((user, ended)) = changed.await? else {
        return Ok(None);
    };
    auth.announce_revoked(&ended, keep_for(&auth.config)).await;
    Ok(Some(user))
}

/// Changes the row, and ends the sessions that must not outlive the change.
async fn apply(
    connection: &mut AsyncPgConnection,
    auth: &Auth,
    actor: UserId,
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
    check_proof(connection, &before, changes).await?;
    let now = auth.clock.now();
    let after = store::update_user(connection, id, &changeset(changes, &before, now)).await.map_err(name_error)?;
    if before.is_admin || actor != id {
        audit::record(connection, now, audit_events::changed(actor, &before, &after, changes.password_hash.is_some()))
            .await?;
    }

    let is_demoted = before.is_admin && !after.is_admin;
    let mut ended = Vec::new();
    if is_demoted || changes.password_hash.is_some() {
        ended = sessions::list_live_sessions(connection, id).await?;
        if let ChangedBy::Owner { session: kept, .. } = changes.by {
            ended.retain(|session| *session != kept);
        }
    }
    let subjects = sessions::end(connection, &ended, &auth.config, now).await?;
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

/// Whoever signs in by another name from now on has to know the password. It was checked before the row was locked;
/// meanwhile another request may have changed it.
async fn check_proof(connection: &mut AsyncPgConnection, before: &UserRow, changes: &Changes) -> Result<(), ApiError> {
    let ChangedBy::Owner { proven_hash, .. } = &changes.by else { return Ok(()) };
    match proven_hash {
        Some(proven) => {
            let present = store::find_password_hash(connection, before.id).await?;
            if present.as_ref() == Some(proven) { Ok(()) } else { Err(PASSWORD_CHANGED) }
        }
        None if changes.names_differ(before) => {
            let detail = "is required for another user name or e-mail address";
            Err(ApiError::field("current_password", "required", detail))
        }
        None => Ok(()),
    }
}

impl Changes {
    /// Whether the account signs in by another name afterwards. A name of before may be stored in another form.
    fn names_differ(&self, before: &UserRow) -> bool {
        let username = before.username.clone().map(|name| Username::try_from(name).ok());
        let email = before.email.clone().map(|address| Email::try_from(address).ok());
        self.username.as_ref().is_some_and(|changed| changed.clone().map(Some) != username)
            || self.email.as_ref().is_some_and(|changed| changed.clone().map(Some) != email)
    }
}

fn changeset<'a>(changes: &'a Changes, before: &UserRow, now: DateTime<Utc>) -> UserChangeset<'a> {
    UserChangeset {
        username: changes.username.as_ref().map(|username| username.as_ref().map(Username::as_str)),
        email: changes.email.as_ref().map(|email| email.as_ref().map(Email::as_str)),
        full_name: changes.full_name.as_ref().map(|name| name.as_ref().map(FullName::as_str)),
        password_hash: changes.password_hash.as_deref(),
        is_admin: changes.is_admin,
        // Each version has its own instant, also on a clock that was set back.
        updated_at: now.max(before.updated_at + TimeDelta::microseconds(1)),
        username_mapped: changes.username.as_ref().map(|username| username.as_ref().map(Username::key)),
        email_mapped: changes.email.as_ref().map(|email| email.as_ref().map(Email::key)),
    }
}

/// Deletes an account, and revokes its tokens and those of its devices. What it owns is deleted by the workers, some at a
/// time: nobody can see it any more, and nobody waits for it.
pub async fn delete(db: &DbPool, auth: &Auth, id: UserId) -> Result<(), ApiError> {
    let now = auth.clock.now();
    let mut connection = db.get().await?;
    let deleted = connection.transaction(async |connection| delete_owner(connection, &auth.config, id, now).await);
    let subjects = deleted.await?;
    drop(connection);
    auth.announce_revoked(&subjects, keep_for_devices(&auth.config)).await;
    cache_entries::delete_all_of(&auth.redis, id).await;
    Ok(())
}

async fn delete_owner(
    connection: &mut AsyncPgConnection,
    config: &AuthConfig,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, ApiError> {
    let seen = store::find_user(connection, id).await?.ok_or(ACCOUNT_GONE)?;
    // Before the account itself: two administrators who leave at once lock in the same order.
    if seen.is_admin {
        refuse_last_administrator(connection, id).await?;
    }
    let user = store::lock_user(connection, id).await?.ok_or(ACCOUNT_GONE)?;
    if user.is_admin && !seen.is_admin {
        return Err(ApiError::Conflict("The account has become an administrator's meanwhile."));
    }
    let live = sessions::list_live_sessions(connection, id).await?;
    let mut subjects = sessions::end(connection, &live, config, now).await?;
    store::insert_purge(connection, id, now + keep_for_devices(config)).await?;
    store::delete_user(connection, id).await?;
    audit::record(connection, now, audit_events::deleted(&user)).await?;
    // Its devices' tokens name their owner, so this one revocation ends them all.
    revocations::insert(connection, &[id.as_uuid()], now, keep_for_devices(config)).await?;
    subjects.push(id.as_uuid());
    Ok(subjects)
}

/// Tokens of devices may live longer than people's.
fn keep_for_devices(config: &AuthConfig) -> Duration {
    revocations::keep_for(config.access_token_ttl.max(config.device_token_ttl))
}

fn keep_for(config: &AuthConfig) -> Duration {
    revocations::keep_for(config.access_token_ttl)
}

/// Without an administrator nobody could appoint one. The rows are locked, so that two who leave at once cannot both.
async fn refuse_last_administrator(connection: &mut AsyncPgConnection, id: UserId) -> Result<(), ApiError> {
    let administrators = store::lock_administrators(connection).await?;
    if administrators == [id] { Err(LAST_ADMINISTRATOR) } else { Ok(()) }
}

fn name_error(error: DieselError) -> ApiError {
    let takes = |names: [&str; 2]| names.into_iter().any(|name| violates(&error, name));
    if takes(["users_username_key", "users_username_mapped_key"]) {
        ApiError::Conflict("This user name is taken.")
    } else if takes(["users_email_key", "users_email_mapped_key"]) {
        ApiError::Conflict("This e-mail address is taken.")
    } else {
        error.into()
    }
}
