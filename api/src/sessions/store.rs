//! Sessions and refresh tokens in PostgreSQL, and what a sign-in reads of an account.

use crate::ids::{SessionId, UserId};
use crate::schema::{refresh_tokens, sessions, users};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::auth::precis;
use crate::auth::secret::SecretHash;

diesel::define_sql_function! {
    /// As the unique indexes compare names.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>)
        -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// What a sign-in is checked against.
#[derive(Queryable)]
pub struct LoginRow {
    pub id: UserId,
    /// bcrypt's output.
    pub password_hash: String,
}

/// The account that signs in with this name or address: the one that has it as it was typed, else as RFC 8265 compares
/// it. (At most one of the former: a name with an '@' is its own account's address, and unique as that. Names of before
/// may break the RFC's rules, or be the same name by them.)
pub async fn find_login(connection: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<LoginRow>> {
    let key = precis::login_key(name);
    let as_typed = lower(users::username).eq(lower(name)).or(lower(users::email).eq(lower(name)));
    let as_compared = users::username_mapped.eq(key.clone()).or(users::email_mapped.eq(key));
    let columns = (users::id, users::password_hash);
    let found = users::table.filter(as_typed.or(as_compared)).order(as_typed.desc().nulls_last());
    found.select(columns).first(connection).await.optional()
}

/// The password's hash of the account whose name follows, or of any: what an unknown name's password is compared with, so
/// that it takes as long as that of an account would, whatever the costs of the stored hashes are.
pub async fn find_decoy_hash(connection: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<String>> {
    let next = users::table.filter(lower(users::username).ge(lower(name))).order(lower(users::username));
    match next.select(users::password_hash).first(connection).await.optional()? {
        Some(hash) => Ok(Some(hash)),
        None => users::table.order(users::id).select(users::password_hash).first(connection).await.optional(),
    }
}

/// Replaces a password's hash by one of the same password; tells whether it was still the present one.
pub async fn replace_hash(connection: &mut AsyncPgConnection, id: UserId, old: &str, new: &str) -> QueryResult<bool> {
    let same = users::table.find(id).filter(users::password_hash.eq(old));
    diesel::update(same).set(users::password_hash.eq(new)).execute(connection).await.map(|rows| rows == 1)
}

/// Whether a user is an administrator, kept from changing until the transaction ends; nothing where the user is gone
/// or their password is another by now.
pub async fn lock_signed_in(
    connection: &mut AsyncPgConnection,
    id: UserId,
    password_hash: &str,
) -> QueryResult<Option<bool>> {
    let same = users::table.find(id).filter(users::password_hash.eq(password_hash));
    same.select(users::is_admin).for_share().first(connection).await.optional()
}

/// Begins a session.
pub async fn insert_session(
    connection: &mut AsyncPgConnection,
    id: SessionId,
    user_id: UserId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (sessions::id.eq(id), sessions::user_id.eq(user_id), sessions::created_at.eq(now));
    diesel::insert_into(sessions::table).values(row).execute(connection).await.map(|_| ())
}

/// The sessions of a user that have not been ended.
pub async fn list_live_sessions(connection: &mut AsyncPgConnection, user_id: UserId) -> QueryResult<Vec<SessionId>> {
    let live = sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::revoked_at.is_null());
    live.select(sessions::id).load(connection).await
}

/// Ends sessions: their refresh tokens are no longer valid.
pub async fn end_sessions(
    connection: &mut AsyncPgConnection,
    ids: &[SessionId],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let live = sessions::table.filter(sessions::id.eq_any(ids)).filter(sessions::revoked_at.is_null());
    diesel::update(live).set(sessions::revoked_at.eq(now)).execute(connection).await.map(|_| ())
}

/// Deletes a user's sessions whose refresh tokens have all expired.
pub async fn delete_expired_sessions(
    connection: &mut AsyncPgConnection,
    user_id: UserId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let live_tokens = refresh_tokens::table
        .filter(refresh_tokens::session_id.eq(sessions::id))
        .filter(refresh_tokens::expires_at.gt(now));
    let expired = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(diesel::dsl::not(diesel::dsl::exists(live_tokens)));
    diesel::delete(expired).execute(connection).await.map(|_| ())
}

/// Adds a refresh token to a session.
pub async fn insert_refresh_token(
    connection: &mut AsyncPgConnection,
    hash: &SecretHash,
    session_id: SessionId,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (
        refresh_tokens::token_hash.eq(hash.as_bytes()),
        refresh_tokens::session_id.eq(session_id),
        refresh_tokens::expires_at.eq(expires_at),
    );
    diesel::insert_into(refresh_tokens::table).values(row).execute(connection).await.map(|_| ())
}

/// Uses a refresh token, which can be done once: of two who try at the same time, one finds nothing.
pub async fn use_refresh_token(
    connection: &mut AsyncPgConnection,
    hash: &SecretHash,
    now: DateTime<Utc>,
) -> QueryResult<Option<SessionId>> {
    let unused = refresh_tokens::table
        .find(hash.as_bytes())
        .filter(refresh_tokens::used_at.is_null())
        .filter(refresh_tokens::expires_at.gt(now));
    let used = diesel::update(unused).set(refresh_tokens::used_at.eq(now));
    used.returning(refresh_tokens::session_id).get_result(connection).await.optional()
}

/// The session of a refresh token that was used before, and when.
pub async fn find_reused(
    connection: &mut AsyncPgConnection,
    hash: &SecretHash,
) -> QueryResult<Option<(SessionId, DateTime<Utc>)>> {
    let used = refresh_tokens::table.find(hash.as_bytes()).filter(refresh_tokens::used_at.is_not_null());
    used.select((refresh_tokens::session_id, refresh_tokens::used_at.assume_not_null()))
        .first(connection)
        .await
        .optional()
}

/// Whether a refresh token is there and has not been used: the newest one of its session.
pub async fn is_unused(connection: &mut AsyncPgConnection, hash: &SecretHash, now: DateTime<Utc>) -> QueryResult<bool> {
    let unused = refresh_tokens::table
        .find(hash.as_bytes())
        .filter(refresh_tokens::used_at.is_null())
        .filter(refresh_tokens::expires_at.gt(now));
    diesel::select(diesel::dsl::exists(unused)).get_result(connection).await
}

/// The session of a refresh token, unless it has been ended.
pub async fn find_session(connection: &mut AsyncPgConnection, hash: &SecretHash) -> QueryResult<Option<SessionId>> {
    let tokens = refresh_tokens::table.find(hash.as_bytes()).inner_join(sessions::table);
    let live = tokens.filter(sessions::revoked_at.is_null());
    live.select(sessions::id).first(connection).await.optional()
}

/// Whose a session is, and whether they are an administrator; nothing where it has been ended.
pub async fn find_live_session(
    connection: &mut AsyncPgConnection,
    id: SessionId,
) -> QueryResult<Option<(UserId, bool)>> {
    let live = sessions::table.find(id).filter(sessions::revoked_at.is_null()).inner_join(users::table);
    live.select((users::id, users::is_admin)).first(connection).await.optional()
}

/// Deletes a session's expired refresh tokens; until then a used one reveals that it is used again.
pub async fn delete_expired_tokens(
    connection: &mut AsyncPgConnection,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let of_session = refresh_tokens::table.filter(refresh_tokens::session_id.eq(session_id));
    let expired = of_session.filter(refresh_tokens::expires_at.le(now));
    diesel::delete(expired).execute(connection).await.map(|_| ())
}
