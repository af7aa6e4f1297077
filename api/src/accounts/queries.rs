//! Accounts as they are shown.

use diesel_async::AsyncPgConnection;

use super::store::{self, UserRow};
use super::types::{RegisterResponse, UserResponse};
use crate::auth::caller::ACCOUNT_GONE;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// The caller's own account.
pub async fn find_own(db: &DbPool, id: UserId) -> Result<UserRow, ApiError> {
    store::find_user(&mut *db.get().await?, id).await?.ok_or(ACCOUNT_GONE)
}

/// A page of accounts, oldest first.
pub async fn list(db: &HeavyDb, page: &Page<UserId>) -> Result<Vec<UserResponse>, ApiError> {
    let list = async |connection: &mut AsyncPgConnection| {
        Ok(store::list_users(connection, page.after, page.fetch_limit()).await?)
    };
    let rows = db.run(list).await?;
    Ok(rows.into_iter().map(UserResponse::from).collect())
}

impl From<UserRow> for RegisterResponse {
    fn from(row: UserRow) -> Self {
        Self { id: row.id, username: row.username, email: row.email, created_at: row.created_at }
    }
}

impl From<UserRow> for UserResponse {
    fn from(row: UserRow) -> Self {
        let UserRow { id, username, email, full_name, is_admin, created_at, updated_at } = row;
        Self { id, username, email, full_name, is_admin, created_at, updated_at }
    }
}
