//! A small cache for users' programs: a value under a key, for a while. Each user has a key space of their own.
//!
//! ```text
//!  routes ─▶ types (what a key, a value, a life may be) ─▶ crate::redis ─▶ Redis
//! ```
//!
//! What is kept here may be gone at any moment, as with any cache; when Redis is away the routes say so with a 503.

pub mod routes;
mod types;

use crate::ids::UserId;

use crate::redis::RedisClient;

/// Forgets what a user who is gone has kept. Without Redis it ends by itself, within a day.
pub async fn forget_all_of(redis: &RedisClient, user: UserId) {
    if let Err(error) = redis.delete_entries_of(user).await {
        tracing::warn!(%error, "a deleted user's cache entries are left to expire");
    }
}
