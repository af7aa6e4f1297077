//! Opens the worker's PostgreSQL connections.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::error::StoreError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection whose peer has vanished is given up after this long without an answer to TCP's probes.
const DEAD_PEER_TIMEOUT: Duration = Duration::from_secs(20);
/// A statement that takes longer is stuck behind a lock, or has too much to do: it is cancelled, and tried again with
/// fewer rows.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '60s'; SET application_name = 'pulso-worker'";

/// Opens a connection with the worker's timeouts.
pub async fn connect(url: &SecretString) -> Result<Client, StoreError> {
    let mut config: Config = url.expose_secret().parse().map_err(StoreError::from)?;
    config
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(DEAD_PEER_TIMEOUT / 2)
        .tcp_user_timeout(DEAD_PEER_TIMEOUT);
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await;
    let (client, connection) = connected.map_err(|_| StoreError::Transient("no connection in time".into()))??;
    // Not supervised: it ends with its client, and its owner sees that as a failed statement.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "database connection ended");
        }
    });
    client.batch_execute(STATEMENT_TIMEOUT).await?;
    Ok(client)
}

/// Prepares one statement.
pub async fn prepare(client: &Client, sql: &str) -> Result<Statement, StoreError> {
    Ok(client.prepare(sql).await?)
}
