//! A connection to Redis that all threads share: their calls follow each other on it, so that none waits for a free one.
//! A task of the main runtime opens it, watches it, and opens it again.
//!
//! ```text
//!  call ─▶ Up: within 200 ms ──▶ answer               keeper: connect ─▶ Up ─▶ ping, each second and when a call fails
//!     └──▶ Down: refused at once                                 └──◀ Down ◀─┘ no answer
//! ```
//!
//! So a frozen Redis costs a few requests 200 ms, and the others nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, Cmd, FromRedisValue, Pipeline, RedisResult};
use deadpool_redis::{Config, CreatePoolError, Pool, PoolConfig, Runtime, Timeouts};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::error::{CALL_TIMEOUT, RedisError};

/// How long opening the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts to open it.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// How often a connection that nobody complains of is tried.
const PING_EVERY: Duration = Duration::from_secs(1);

/// Whether there is a connection.
#[derive(Clone)]
enum State {
    /// Not tried yet; calls wait for it.
    Starting,
    Up(MultiplexedConnection),
    Down,
}

/// The connection, as calls use it.
#[derive(Clone)]
pub struct Connection {
    state: watch::Receiver<State>,
    /// Tells the keeper that a call has failed.
    doubt: Arc<Notify>,
    /// Whether the last call was refused by a Redis that answers; logged once, not for each call.
    is_refused: Arc<AtomicBool>,
}

impl Connection {
    /// A connection, and the task that keeps it open, for the main runtime.
    pub fn new(url: &str) -> Result<(Self, impl Future<Output = ()> + Send + use<>), CreatePoolError> {
        let timeouts =
            Timeouts { create: Some(CONNECT_TIMEOUT), wait: Some(CONNECT_TIMEOUT), recycle: Some(CALL_TIMEOUT) };
        let mut config = Config::from_url(url);
        config.pool = Some(PoolConfig { max_size: 1, timeouts, ..PoolConfig::default() });
        let pool = config.create_pool(Some(Runtime::Tokio1))?;
        let (sender, state) = watch::channel(State::Starting);
        let doubt = Arc::new(Notify::new());
        let connection = Self { state, doubt: doubt.clone(), is_refused: Arc::default() };
        Ok((connection, keep_open(pool, sender, doubt)))
    }

    /// Sends a command, and awaits the answer.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.within_time(async |mut connection| command.query_async(&mut connection).await).await
    }

    /// Sends several commands in one go, and awaits their answers.
    pub async fn query_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        self.within_time(async |mut connection| commands.query_async(&mut connection).await).await
    }

    async fn within_time<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, RedisError> {
        let answer = timeout(CALL_TIMEOUT, async { Ok(call(self.current().await?).await?) }).await;
        match &answer {
            Ok(Err(RedisError::Redis(error))) if error.is_io_error() || error.is_connection_dropped() => {
                self.doubt.notify_one();
            }
            Ok(Err(RedisError::Redis(error))) => {
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "Redis refuses commands");
                }
            }
            Err(_) => self.doubt.notify_one(),
            Ok(_) => self.is_refused.store(false, Ordering::Relaxed),
        }
        answer?
    }

    /// The connection; refused at once while there is none.
    async fn current(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match known.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
            _ => Err(RedisError::Unavailable),
        }
    }
}

async fn keep_open(pool: Pool, state: watch::Sender<State>, doubt: Arc<Notify>) {
    loop {
        match pool.get().await {
            Ok(pooled) => {
                tracing::info!("Redis connected");
                // The pool's only one: it stays with us while all share it, and does not go back when it is broken.
                let connection = deadpool_redis::Connection::take(pooled);
                state.send_replace(State::Up(connection.clone()));
                until_broken(connection, &doubt).await;
                tracing::warn!("Redis unavailable; rate limits are this replica's own for now");
            }
            Err(error) => tracing::debug!(%error, "no connection to Redis"),
        }
        if matches!(&*state.borrow(), State::Starting) {
            tracing::warn!("starting without Redis; rate limits are this replica's own for now");
        }
        state.send_replace(State::Down);
        sleep(RETRY_DELAY).await;
    }
}

/// Until it does not answer in time any more.
async fn until_broken(mut connection: MultiplexedConnection, doubt: &Notify) {
    let ping = redis::cmd("PING");
    while let Ok(Ok(())) = timeout(CALL_TIMEOUT, ping.query_async::<()>(&mut connection)).await {
        tokio::select! {
            () = sleep(PING_EVERY) => {}
            () = doubt.notified() => {}
        }
    }
}
