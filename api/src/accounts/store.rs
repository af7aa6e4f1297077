//! Users in PostgreSQL.

use crate::ids::UserId;
use crate::schema::{account_purges, users};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::locks::AdvisoryLock;

/// A user, without the password's hash: no response can hold one by accident.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct UserRow {
    pub id: UserId,
    pub username: Option<String>,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub is_admin: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A user to be written.
#[derive(Insertable)]
#[diesel(table_name = users)]
pub struct NewUserRow<'a> {
    pub id: UserId,
    pub username: Option<&'a str>,
    pub email: Option<&'a str>,
    pub full_name: Option<&'a str>,
    /// bcrypt's output.
    pub password_hash: &'a str,
    pub is_admin: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The names as they are compared.
    pub username_mapped: Option<&'a str>,
    pub email_mapped: Option<&'a str>,
}

/// What changes of a user; `None` leaves it.
#[derive(AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChangeset<'a> {
    pub username: Option<Option<&'a str>>,
    pub email: Option<Option<&'a str>>,
    pub full_name: Option<Option<&'a str>>,
    /// bcrypt's output.
    pub password_hash: Option<&'a str>,
    pub is_admin: Option<bool>,
    pub updated_at: DateTime<Utc>,
    /// The names as they are compared.
    pub username_mapped: Option<Option<&'a str>>,
    pub email_mapped: Option<Option<&'a str>>,
}

/// Writes a new user; a name that is taken violates one of the unique indexes (`accounts::commands`).
pub async fn insert_user(connection: &mut AsyncPgConnection, user: &NewUserRow<'_>) -> QueryResult<UserRow> {
    diesel::insert_into(users::table).values(user).returning(UserRow::as_returning()).get_result(connection).await
}

/// Writes a new user unless the name is taken; returns whether it did.
pub async fn insert_user_if_new(connection: &mut AsyncPgConnection, user: &NewUserRow<'_>) -> QueryResult<bool> {
    let insert = diesel::insert_into(users::table).values(user).on_conflict_do_nothing();
    insert.execute(connection).await.map(|rows| rows == 1)
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

/// Keeps a user from being deleted until the transaction ends; returns whether there is such a user. Whoever writes rows
/// that go with the user takes this first, so that a deletion and they never wait for each other.
pub async fn keep_user(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<bool> {
    let user = users::table.find(id).select(users::id).for_key_share();
    user.first::<UserId>(connection).await.optional().map(|found| found.is_some())
}

/// Whether there is any administrator.
pub async fn has_administrator(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(users::table.filter(users::is_admin))).get_result(connection).await
}

/// Lets one transaction at a time create the first administrator.
pub async fn lock_first_administrator(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    let lock = diesel::sql_query("SELECT pg_advisory_xact_lock($1)");
    let lock = lock.bind::<diesel::sql_types::BigInt, _>(AdvisoryLock::FirstAdministrator.id());
    lock.execute(connection).await.map(|_| ())
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

/// Leaves to the workers what a user owns. A token of one of their devices counts until `tokens_until` at most.
pub async fn insert_purge(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    tokens_until: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (account_purges::owner_id.eq(owner), account_purges::tokens_until.eq(tokens_until));
    diesel::insert_into(account_purges::table).values(row).execute(connection).await.map(|_| ())
}

/// Deletes a user, and with them their sessions, cart and keys.
pub async fn delete_user(connection: &mut AsyncPgConnection, id: UserId) -> QueryResult<()> {
    diesel::delete(users::table.find(id)).execute(connection).await.map(|_| ())
}
