//! The suite's own access to the database: one connection a statement, since the server may have been restarted.

use std::time::Duration;

use pulso_testkit::Failure;
use tokio_postgres::{Client, NoTls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a connection.
pub async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio::time::timeout(CONNECT_TIMEOUT, tokio_postgres::connect(url, NoTls)).await??;
    // Ends with the client; its error is the client's too.
    tokio::spawn(connection);
    Ok(client)
}

/// Runs SQL.
pub async fn execute(url: &str, sql: &str) -> Result<(), Failure> {
    let done = connect(url).await?.batch_execute(sql).await;
    done.map_err(|error| format!("{sql}: {error:?}").into())
}

/// Runs a query whose answer is one number.
pub async fn count(url: &str, sql: &str) -> Result<i64, Failure> {
    let row = connect(url).await?.query_one(sql, &[]).await;
    Ok(row.map_err(|error| format!("{sql}: {error:?}"))?.try_get(0)?)
}
