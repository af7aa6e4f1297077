//! The PostgreSQL connection pools.
//!
//! ```text
//!  requests:   what people ask for; heavy queries may take three quarters of it (`rate_limit::HeavyDb`)
//!  sign_in:    sign-in of people and devices, and ingest's look-ups
//!  background: watermark probes, revocations, readiness
//! ```
//!
//! Every connection is driven by the main runtime, whichever thread asked for it: an HTTP thread that is busy keeps
//! nobody else's query waiting.

mod abandoned;

use std::ops::Deref;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{BuildError, Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
// deadpool's, which diesel-async does not hand on.
use deadpool_redis::Runtime;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_postgres::NoTls;

use pulso_shared::config::DatabaseConfig;

pub use abandoned::CancelOnDrop;

/// A pool of connections.
#[derive(Clone)]
pub struct DbPool {
    connections: Pool<AsyncPgConnection>,
    runtime: Handle,
}

impl DbPool {
    /// A connection, once one is free.
    ///
    /// Taken by a task of its own: one that is opened too late for this caller is the next one's. A database that is slow to
    /// let us in, which everybody gives up on half-way, would be asked anew for ever and let nobody in.
    pub async fn get(&self) -> Result<DbConnection, DbPoolError> {
        let connections = self.connections.clone();
        let taking = self.runtime.spawn(async move { connections.get().await });
        Ok(tokio::time::timeout(ACQUIRE_TIMEOUT, taking).await???)
    }
}

/// Why no connection could be had.
#[derive(Debug, thiserror::Error)]
pub enum DbPoolError {
    #[error("no connection was free, or could be opened, within {} s", ACQUIRE_TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Ended(#[from] JoinError),
}

/// A connection of a pool.
pub type DbConnection = Object<AsyncPgConnection>;

/// How long a caller waits for a connection: an unavailable database is a 503 soon, not a hung request.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection whose other end has vanished is given up after this long without an answer to TCP's probes.
const DEAD_PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// What a person waits for takes milliseconds; what takes this long is stuck.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=30s";
/// Each of its queries takes a millisecond, so few connections serve hundreds of sign-ins a second.
const SIGN_IN_CONNECTIONS: usize = 4;
/// One for each of the tasks that use them.
const BACKGROUND_CONNECTIONS: usize = 3;

/// The pools of a process. What stands in one does not wait for another.
#[derive(Clone)]
pub struct DbPools {
    /// For what people ask for.
    pub requests: DbPool,
    /// For sign-in, and for what ingest has to look up.
    pub sign_in: SignInDb,
    /// For the tasks that keep promises.
    pub background: DbPool,
}

impl DbPools {
    /// Builds the pools, `pool_size` connections for requests and a few more; connects to nothing yet. To be called on
    /// the main runtime.
    pub fn new(config: &DatabaseConfig, pool_size: usize) -> Result<Self, BuildError> {
        Ok(Self {
            requests: connect(config, pool_size)?,
            sign_in: SignInDb(connect(config, SIGN_IN_CONNECTIONS)?),
            background: connect(config, BACKGROUND_CONNECTIONS)?,
        })
    }
}

/// Connections that only sign-in and ingest's look-ups use: no query of a signed-in person takes them away.
#[derive(Clone)]
pub struct SignInDb(DbPool);

impl Deref for SignInDb {
    type Target = DbPool;

    fn deref(&self) -> &DbPool {
        &self.0
    }
}

fn connect(config: &DatabaseConfig, pool_size: usize) -> Result<DbPool, BuildError> {
    let mut setup = ManagerConfig::default();
    setup.custom_setup = Box::new(|url| Box::pin(establish(url)));
    let url = config.database_url.expose_secret();
    let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, setup);
    // Who has given up waits no longer for a connection; only one that is being opened goes on.
    let pool = Pool::builder(manager).max_size(pool_size).runtime(Runtime::Tokio1).wait_timeout(Some(ACQUIRE_TIMEOUT));
    Ok(DbPool { connections: pool.build()?, runtime: Handle::current() })
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
