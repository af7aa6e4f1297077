//! The PostgreSQL connection pool.

use std::time::Duration;

use deadpool_redis::Runtime;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{BuildError, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use secrecy::ExposeSecret;
use tokio_postgres::NoTls;

use pulso_shared::config::DatabaseConfig;

/// A pool of connections.
pub type DbPool = Pool<AsyncPgConnection>;
/// Why no connection could be had.
pub type DbPoolError = PoolError;

/// How long a caller waits for a connection: an unavailable database is a 503 soon, not a hung request.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection whose other end has vanished is given up after this long without an answer to TCP's probes.
const DEAD_PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// What a person waits for takes milliseconds; what takes this long is stuck.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=30s";

/// Builds the pool; connects to nothing yet.
pub fn connect(config: &DatabaseConfig, pool_size: usize) -> Result<DbPool, BuildError> {
    let mut setup = ManagerConfig::default();
    setup.custom_setup = Box::new(|url| Box::pin(establish(url)));
    let url = config.database_url.expose_secret();
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, setup);
    Pool::builder(manager)
        .max_size(pool_size)
        .wait_timeout(Some(ACQUIRE_TIMEOUT))
        .create_timeout(Some(ACQUIRE_TIMEOUT))
        .recycle_timeout(Some(ACQUIRE_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
}

/// A connection that notices when its other end has vanished, and that no statement holds for ever.
async fn establish(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(error.to_string());
    let mut config: tokio_postgres::Config = url.parse().map_err(bad)?;
    // Ours come first: what the URL says counts.
    let options = [Some(STATEMENT_TIMEOUT), config.get_options()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    config
        .connect_timeout(ACQUIRE_TIMEOUT)
        .keepalives_idle(DEAD_PEER_TIMEOUT / 2)
        .tcp_user_timeout(DEAD_PEER_TIMEOUT)
        .application_name("pulso-api")
        .options(options);
    let (client, connection) = config.connect(NoTls).await.map_err(bad)?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}
