//! What users keep here for themselves: a key space each, bounded in number and in time.
//!
//! An entry is a Redis key of its own, so that Redis ends its life. Beside them stands an index of each user's keys by
//! the moment of their end, which is how they are counted: Redis could not count keys by their beginning in one step.

use crate::ids::UserId;
use deadpool_redis::redis::{self, AsyncCommands};

use super::client::{RedisClient, RedisError, within_time};

/// Counts and writes in one step, so that of many who write at once none slips past the limit.
const SET: &str = "\
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
local is_new = not redis.call('ZSCORE', KEYS[1], ARGV[1])
if is_new and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], now_ms + ARGV[3] * 1000, ARGV[1])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1";

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEntry {
    /// Its value, a JSON text.
    pub value: String,
    /// What is left of its life, ms.
    pub ttl_ms: u64,
}

impl RedisClient {
    /// Keeps `value` under `key` for `ttl_s`; `false` when that would be one key more than `max_keys`.
    pub async fn set_entry(
        &self,
        user: UserId,
        key: &str,
        value: &str,
        ttl_s: u32,
        max_keys: u32,
    ) -> Result<bool, RedisError> {
        let mut command = redis::cmd("EVAL");
        command.arg(SET).arg(2).arg(index_key(user)).arg(entry_key(user, key));
        command.arg(key).arg(value).arg(ttl_s).arg(max_keys);
        within_time(async { Ok(command.query_async(&mut self.pool.get().await?).await?) }).await
    }

    /// The entry under `key`, while it lives.
    pub async fn find_entry(&self, user: UserId, key: &str) -> Result<Option<KeptEntry>, RedisError> {
        let mut commands = redis::pipe();
        commands.atomic().get(entry_key(user, key)).pttl(entry_key(user, key));
        let (value, ttl_ms): (Option<String>, i64) =
            within_time(async { Ok(commands.query_async(&mut self.pool.get().await?).await?) }).await?;
        Ok(value.map(|value| KeptEntry { value, ttl_ms: u64::try_from(ttl_ms).unwrap_or(0) }))
    }

    /// Forgets the entry under `key`; tells whether there was one.
    pub async fn delete_entry(&self, user: UserId, key: &str) -> Result<bool, RedisError> {
        let mut commands = redis::pipe();
        commands.atomic().del(entry_key(user, key)).zrem(index_key(user), key).ignore();
        let (deleted,): (u32,) =
            within_time(async { Ok(commands.query_async(&mut self.pool.get().await?).await?) }).await?;
        Ok(deleted > 0)
    }

    /// Forgets all of a user's entries.
    pub async fn delete_entries_of(&self, user: UserId) -> Result<(), RedisError> {
        within_time(async {
            let mut connection = self.pool.get().await?;
            let keys: Vec<String> = connection.zrange(index_key(user), 0, -1).await?;
            let entries = keys.iter().map(|key| entry_key(user, key)).chain([index_key(user)]);
            connection.del::<_, ()>(entries.collect::<Vec<_>>()).await?;
            Ok(())
        })
        .await
    }
}

// The braces keep all of a user's keys in one slot of a Redis cluster, as a script needs them.

fn index_key(user: UserId) -> String {
    format!("pulso:cache:{{{user}}}")
}

fn entry_key(user: UserId, key: &str) -> String {
    format!("pulso:cache:{{{user}}}:{key}")
}
