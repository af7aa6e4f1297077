//! Changes of cache entries.

use super::types::{CacheEntryResponse, CacheKey, CacheSetBody, MAX_KEYS, NO_ENTRY};
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::redis::RedisClient;

const TOO_MANY: ApiError =
    ApiError::Conflict("You have 1,000 cache entries already; delete some, or let them come to their end.");

/// Sets an entry, in the place of whatever was there.
pub async fn set(redis: &RedisClient, user: UserId, body: CacheSetBody) -> Result<CacheEntryResponse, ApiError> {
    let CacheSetBody { key, value, ttl_s } = body;
    let ttl_s = ttl_s.as_secs();
    if !redis.set_entry(user, key.as_str(), &value, ttl_s, MAX_KEYS).await? {
        return Err(TOO_MANY);
    }
    CacheEntryResponse::new(key, value, ttl_s.into())
}

/// Deletes an entry.
pub async fn delete(redis: &RedisClient, user: UserId, key: String) -> Result<(), ApiError> {
    let key = CacheKey::try_from(key).map_err(|_| NO_ENTRY)?;
    if redis.delete_entry(user, key.as_str()).await? { Ok(()) } else { Err(NO_ENTRY) }
}

/// Deletes the entries of a user who is gone. Without Redis they expire within a day.
pub async fn delete_all_of(redis: &RedisClient, user: UserId) {
    if let Err(error) = redis.delete_entries_of(user).await {
        tracing::warn!(%error, "a deleted user's cache entries are left to expire");
    }
}
