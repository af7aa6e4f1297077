//! Cache entries read.

use super::types::{CacheEntryResponse, CacheKey, NO_ENTRY};
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::redis::RedisClient;

/// The entry under a key.
pub async fn find(redis: &RedisClient, user: UserId, key: String) -> Result<CacheEntryResponse, ApiError> {
    let key = CacheKey::try_from(key).map_err(|_| NO_ENTRY)?;
    let entry = redis.find_entry(user, key.as_str()).await?.ok_or(NO_ENTRY)?;
    CacheEntryResponse::new(key, entry.value, entry.ttl_ms.div_ceil(1_000))
}
