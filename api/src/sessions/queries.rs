//! Sessions, looked up.

use secrecy::SecretString;

use super::store;
use crate::auth::secret::SecretHash;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::SessionId;

/// The session that a refresh token, used or not, belongs to, unless it has been ended.
pub async fn find_by_refresh_token(db: &DbPool, token: &SecretString) -> Result<Option<SessionId>, ApiError> {
    Ok(store::find_session(&mut *db.get().await?, &SecretHash::of(token)).await?)
}
