//! Opens connections within a time limit. Reconnecting is the owner's job: only the publisher and the consumer know
//! what was in flight on the old connection.

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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::{CALL_TIMEOUT, ConnectionError, open, within_time};

    #[tokio::test]
    async fn a_url_that_is_not_valid_is_an_error_that_does_not_show_it() {
        let error = open(&"http://user:hunter2@localhost".into(), "test").await.unwrap_err();
        assert!(matches!(error, ConnectionError::Url(_)), "{error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_port_where_nothing_listens_is_an_error_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap());
        drop(listener);
        let (started, error) = (Instant::now(), open(&url.into(), "test").await.unwrap_err());
        assert!(matches!(error, ConnectionError::Broker(_)), "{error:?}");
        assert!(started.elapsed() < CALL_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_does_not_answer_is_given_up_in_time() {
        let started = Instant::now();
        let error = within_time(std::future::pending::<lapin::Result<()>>()).await.unwrap_err();
        assert!(matches!(error, ConnectionError::Timeout(_)), "{error:?}");
        assert_eq!(started.elapsed(), CALL_TIMEOUT);
        assert_eq!(error.to_string(), "the broker did not answer within 5 s");
    }
}
