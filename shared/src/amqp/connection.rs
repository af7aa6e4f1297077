//! Opening a connection within a time limit. Reconnecting is its owner's business: the publisher and the consumer
//! each have a supervisor that opens a fresh one, because what was in flight on the old one is theirs to answer for.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};

/// How long a broker may take for any one thing we ask of it outside publishing.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often both ends show each other that they live, s, unless the URL says otherwise (`?heartbeat=`). A worker whose
/// cable is out holds messages that no other worker gets until the broker has missed two of these.
const HEARTBEAT_S: u16 = 10;

/// The largest frame, bytes, unless the URL says otherwise (`?frame_max=`). The client library keeps room for 32 of them
/// each way on every connection: at the broker's own limit of 128 KiB that is 8 MB, of which all is touched in time.
const FRAME_MAX: u32 = 32 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The broker, or the way to it, said no.
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// The URL is none of AMQP's.
    #[error("the broker's URL cannot be read: {0}")]
    Url(String),
    /// Nothing was said in time.
    #[error("the broker did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// Opens a connection that shows itself to the broker as `name`.
///
/// # Errors
/// When it is refused, or takes longer than [`CALL_TIMEOUT`].
pub async fn open(url: &SecretString, name: &str) -> Result<Connection, ConnectionError> {
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(ConnectionError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
    uri.query.frame_max.get_or_insert(FRAME_MAX);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    within_time(Connection::connect_uri(uri, properties)).await
}

/// Runs one broker call under [`CALL_TIMEOUT`].
///
/// # Errors
/// The call's own, or that it took too long.
pub async fn within_time<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, ConnectionError> {
    Ok(tokio::time::timeout(CALL_TIMEOUT, call).await??)
}
