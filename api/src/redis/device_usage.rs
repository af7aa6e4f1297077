//! What devices use of their budgets, summed over all replicas.

use std::time::Duration;

use super::client::RedisClient;
use super::error::RedisError;

/// Sums are read a second after they were written.
const KEPT_FOR: Duration = Duration::from_secs(10);

impl RedisClient {
    /// Adds to sums, and reads others, which may have no value yet; all in one round trip.
    pub async fn exchange_usage(&self, add: &[(String, u32)], read: &[String]) -> Result<Vec<Option<u32>>, RedisError> {
        let mut commands = deadpool_redis::redis::pipe();
        for (key, readings) in add {
            commands.incr(key, *readings).ignore();
            commands.expire(key, i64::try_from(KEPT_FOR.as_secs()).unwrap_or(i64::MAX)).ignore();
        }
        for key in read {
            commands.get(key);
        }
        self.shared.query_all(&commands).await
    }
}
