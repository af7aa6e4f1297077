//! The PostgreSQL connection pool.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::{BuildError, Object, Pool, PoolError};
use secrecy::ExposeSecret;

use crate::config::DatabaseConfig;

/// A pool of connections.
pub type DbPool = Pool<AsyncPgConnection>;
/// A connection on loan from the pool.
pub type DbConnection = Object<AsyncPgConnection>;
/// Why no connection could be had.
pub type DbPoolError = PoolError;

/// How long a caller waits for a connection: a database that is away is a 503 soon, not a hung request.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Builds the pool; connects to nothing yet.
///
/// # Errors
/// When the pool's configuration is inconsistent.
pub fn connect(config: &DatabaseConfig) -> Result<DbPool, BuildError> {
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(config.database_url.expose_secret());
    Pool::builder(manager)
        .max_size(config.database_pool_size)
        .wait_timeout(Some(ACQUIRE_TIMEOUT))
        .create_timeout(Some(ACQUIRE_TIMEOUT))
        .recycle_timeout(Some(ACQUIRE_TIMEOUT))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
}
