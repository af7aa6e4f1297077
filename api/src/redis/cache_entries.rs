//! What users keep here for themselves: a key space each, bounded in number, in bytes and in time.
//!
//! An entry is a Redis key of its own, so that Redis ends its life. What it takes is counted in the script that writes
//! it, so that of many who write at once none slips past a limit (`cache_entries.lua`).

use deadpool_redis::redis::{self, Cmd, FromRedisValue};

use super::client::RedisClient;
use super::error::RedisError;
use crate::ids::UserId;

const SCRIPT: &str = include_str!("cache_entries.lua");
/// What an entry takes besides its key and its value, estimated: two keys in indices, and Redis' own structures.
const OVERHEAD_BYTES: u32 = 400;

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEntry {
    /// Its value, a JSON text.
    pub value: String,
    /// What is left of its life, ms.
    pub ttl_ms: u64,
}

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub struct EntryLimits {
    /// Keys of a user.
    pub max_keys: u32,
    /// Bytes of a user.
    pub max_user_bytes: u64,
    /// Bytes of all users.
    pub max_bytes: u64,
}

/// What became of an entry that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOutcome {
    Kept,
    TooManyKeys,
    TooManyBytesOfUser,
    TooManyBytesOfAll,
}

impl RedisClient {
    /// Keeps `value` under `key` for `ttl_s`, within the limits.
    pub async fn set_entry(
        &self,
        user: UserId,
        (key, value): (&str, &str),
        ttl_s: u32,
        limits: EntryLimits,
    ) -> Result<SetOutcome, RedisError> {
        let mut call = self.call("set", user, key);
        call.arg(value).arg(ttl_s).arg(limits.max_keys).arg(limits.max_user_bytes).arg(limits.max_bytes);
        match self.entries.query(call.arg(OVERHEAD_BYTES)).await {
            Ok(0) => Ok(SetOutcome::Kept),
            Ok(1) => Ok(SetOutcome::TooManyKeys),
            Ok(2) => Ok(SetOutcome::TooManyBytesOfUser),
            Ok(_) => Ok(SetOutcome::TooManyBytesOfAll),
            Err(error) if error.is_out_of_memory() => Ok(SetOutcome::TooManyBytesOfAll),
            Err(error) => Err(error),
        }
    }

    /// The entry under `key`, while it lives.
    pub async fn find_entry(&self, user: UserId, key: &str) -> Result<Option<KeptEntry>, RedisError> {
        let key = format!("{}:cache:entry:{user}:{key}", self.prefix);
        let mut commands = redis::pipe();
        commands.atomic().get(&key).pttl(&key);
        let (value, ttl_ms): (Option<String>, i64) = self.entries.query_all(&commands).await?;
        Ok(value.map(|value| KeptEntry { value, ttl_ms: u64::try_from(ttl_ms).unwrap_or(0) }))
    }

    /// Forgets the entry under `key`; tells whether there was one.
    pub async fn delete_entry(&self, user: UserId, key: &str) -> Result<bool, RedisError> {
        self.change("delete", user, key).await
    }

    /// Forgets all of a user's entries.
    pub async fn delete_entries_of(&self, user: UserId) -> Result<(), RedisError> {
        self.change("delete_all", user, "").await
    }

    async fn change<T: FromRedisValue>(&self, operation: &str, user: UserId, key: &str) -> Result<T, RedisError> {
        self.entries.query(&self.call(operation, user, key)).await
    }

    fn call(&self, operation: &str, user: UserId, key: &str) -> Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(SCRIPT).arg(0).arg(operation).arg(&self.prefix).arg(user.to_string()).arg(key);
        call
    }
}
