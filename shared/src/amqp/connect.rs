//! Opens connections within a time limit. Reconnecting is the owner's job: only the publisher and the consumer know what
//! was in flight on the old connection.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};

/// Limit for any one call to the broker outside publishing.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// AMQP heartbeat interval, s, unless the URL sets one (`?heartbeat=`). The messages of a worker that lost its network
/// reach no other worker until the broker has missed two of these.
const HEARTBEAT_S: u16 = 10;

/// The largest frame, bytes, unless the URL sets one (`?frame_max=`). The client library keeps buffers for 32 frames
/// each way on every connection: at the broker's limit of 128 KiB that is 8 MB, all of it touched sooner or later.
const FRAME_MAX: u32 = 32 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The broker refused, or the connection failed.
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// The URL is not a valid AMQP URL.
    #[error("the broker's URL is not valid: {0}")]
    Url(String),
    /// No response in time.
    #[error("the broker did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// Opens a connection that the broker lists as `name`.
pub async fn open(url: &SecretString, name: &str) -> Result<Connection, ConnectionError> {
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(ConnectionError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    uri.query.frame_max.get_or_insert(FRAME_MAX);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    within_time(Connection::connect_uri(uri, properties)).await
}

/// Runs one broker call under [`CALL_TIMEOUT`].
pub async fn within_time<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, ConnectionError> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, call).await??)
}
