//! Changes of cache entries.

use metrics::counter;

use super::types::{CacheEntryResponse, CacheKey, CacheSetBody, MAX_KEYS, NO_ENTRY};
use crate::config::CacheConfig;
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::redis::{EntryLimits, RedisClient, SetOutcome};

const TOO_MANY: ApiError =
    ApiError::Conflict("You have 1,000 cache entries already; delete some, or let them come to their end.");

const YOURS_FULL: ApiError = ApiError::InsufficientStorage(
    "Your cache entries take as many bytes as they may; delete some, or let them come to their end.",
);
const ALL_FULL: ApiError =
    ApiError::InsufficientStorage("The cache is full for everybody; entries make room as they come to their end.");

fn refused(limit: &'static str, error: ApiError) -> ApiError {
    counter!("pulso_cache_refused_total", "limit" => limit).increment(1);
    error
}

/// Sets an entry, in the place of whatever was there.
pub async fn set(
    redis: &RedisClient,
    config: &CacheConfig,
    user: UserId,
    body: CacheSetBody,
) -> Result<CacheEntryResponse, ApiError> {
    let CacheSetBody { key, value, ttl_s } = body;
    let ttl_s = ttl_s.as_secs();
    let CacheConfig { cache_user_max_bytes: max_user_bytes, cache_max_bytes: max_bytes } = *config;
    let limits = EntryLimits { max_keys: MAX_KEYS, max_user_bytes, max_bytes };
    match redis.set_entry(user, (key.as_str(), &value), ttl_s, limits).await? {
        SetOutcome::Kept => CacheEntryResponse::new(key, value, ttl_s.into()),
        SetOutcome::TooManyKeys => Err(TOO_MANY),
        SetOutcome::TooManyBytesOfUser => Err(refused("account", YOURS_FULL)),
        SetOutcome::TooManyBytesOfAll => Err(refused("all", ALL_FULL)),
    }
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
