//! Users, sessions and refresh tokens in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::{SessionId, UserId};
use pulso_shared::schema::{refresh_tokens, sessions, users};

use crate::secret::SecretHash;

diesel::define_sql_function! {
    /// As the unique indexes compare names.
    fn lower(text: diesel::sql_types::Nullable<diesel::sql_types::Text>)
        -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// A user, without the password's hash: no answer can hold one by accident.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct UserRow {
    /// Who.
    pub id: UserId,
    /// User name.
    pub username: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// What they are called.
    pub full_name: Option<String>,
    /// Whether they are an administrator.
    pub is_admin: bool,
    /// When they registered.
    pub created_at: DateTime<Utc>,
    /// When any of this last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to be written.
#[derive(Insertable)]
#[diesel(table_name = users)]
pub struct NewUserRow<'a> {
    /// Who.
    pub id: UserId,
    /// User name.
    pub username: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
    /// What they are called.
    pub full_name: Option<&'a str>,
    /// bcrypt's output.
    pub password_hash: &'a str,
    /// Whether they are an administrator.
    pub is_admin: bool,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// Now.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a user; `None` leaves it.
#[derive(AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChangeset<'a> {
    /// User name.
    pub username: Option<Option<&'a str>>,
    /// E-mail address.
    pub email: Option<Option<&'a str>>,
    /// What they are called.
    pub full_name: Option<Option<&'a str>>,
    /// bcrypt's output.
    pub password_hash: Option<&'a str>,
    /// Whether they are an administrator.
    pub is_admin: Option<bool>,
    /// Later than before.
    pub updated_at: DateTime<Utc>,
}

/// What a sign-in is checked against.
#[derive(Queryable)]
pub struct LoginRow {
    /// Who.
    pub id: UserId,
    /// bcrypt's output.
    pub password_hash: String,
}

/// Writes a new user; a name that is taken violates `users_username_key` or `users_email_key`.
pub async fn insert_user(connection: &mut AsyncPgConnection, user: &NewUserRow<'_>) -> QueryResult<UserRow> {
    diesel::insert_into(users::table).values(user).returning(UserRow::as_returning()).get_result(connection).await
}

/// Writes a new user unless the name is taken; tells whether it did.
pub async fn insert_user_if_new(connection: &mut AsyncPgConnection, user: &NewUserRow<'_>) -> QueryResult<bool> {
    let insert = diesel::insert_into(users::table).values(user).on_conflict_do_nothing();
    insert.execute(connection).await.map(|rows| rows == 1)
}

/// The account that signs in with this name or address.
pub async fn find_login(connection: &mut AsyncPgConnection, name: &str) -> QueryResult<Option<LoginRow>> {
    // At most one: a name with an '@' is its own account's address (users_username_apart), and is unique as that.
    let by_name = lower(users::username).eq(lower(name)).or(lower(users::email).eq(lower(name)));
    let columns = (users::id, users::password_hash);
    users::table.filter(by_name).select(columns).first(connection).await.optional()
}

/// A user.
pub async fn find_user(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table.find(id).select(UserRow::as_select()).first(connection).await.optional()
}

/// A user's password hash.
pub async fn find_password_hash(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<Option<String>> {
    users::table.find(id).select(users::password_hash).first(connection).await.optional()
}

/// A user, kept from changing until the transaction ends; nor can a session or a device of theirs be added meanwhile.
pub async fn lock_user(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table.find(id).select(UserRow::as_select()).for_update().first(connection).await.optional()
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

/// The administrators, kept from changing until the transaction ends, always in the same order.
pub async fn lock_administrators(connection: &mut AsyncPgConnection) -> QueryResult<Vec<UserId>> {
    let administrators = users::table.filter(users::is_admin).order(users::id);
    administrators.select(users::id).for_update().load(connection).await
}

/// A page of users after `after`, oldest account first.
pub async fn list_users(
    connection: &mut AsyncPgConnection,
    after: Option<UserId>,
    limit: i64,
) -> QueryResult<Vec<UserRow>> {
    let mut query = users::table.select(UserRow::as_select()).order(users::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(users::id.gt(after));
    }
    query.load(connection).await
}

/// Changes a user.
pub async fn update_user(
    connection: &mut AsyncPgConnection,
    id: UserId,
    changes: &UserChangeset<'_>,
) -> QueryResult<UserRow> {
    diesel::update(users::table.find(id)).set(changes).returning(UserRow::as_returning()).get_result(connection).await
}

/// Deletes a user, and with them their sessions and devices.
pub async fn delete_user(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<()> {
    diesel::delete(users::table.find(id)).execute(connection).await.map(|_| ())
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

/// Ends sessions: their refresh tokens count no longer.
pub async fn end_sessions(
    connection: &mut AsyncPgConnection,
    ids: &[SessionId],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let live = sessions::table.filter(sessions::id.eq_any(ids)).filter(sessions::revoked_at.is_null());
    diesel::update(live).set(sessions::revoked_at.eq(now)).execute(connection).await.map(|_| ())
}

/// Forgets what is left of a user's sessions that ran out by themselves.
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

/// The session of a refresh token that was used before.
pub async fn find_reused(connection: &mut AsyncPgConnection, hash: &SecretHash) -> QueryResult<Option<SessionId>> {
    let used = refresh_tokens::table.find(hash.as_bytes()).filter(refresh_tokens::used_at.is_not_null());
    used.select(refresh_tokens::session_id).first(connection).await.optional()
}

/// Whose a session is, and whether they are an administrator; nothing where it has been ended.
pub async fn find_live_session(
    connection: &mut AsyncPgConnection,
    id: SessionId,
) -> QueryResult<Option<(UserId, bool)>> {
    let live = sessions::table.find(id).filter(sessions::revoked_at.is_null()).inner_join(users::table);
    live.select((users::id, users::is_admin)).first(connection).await.optional()
}
