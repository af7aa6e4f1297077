//! The end of a session at shutdown: consume nothing more, store and ack what is in flight.

use std::time::Duration;

use super::session::{Session, SessionError};

/// What is not stored within this time, the broker delivers again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Stores and acks what the session has in flight.
pub async fn drain(session: &mut Session) -> Result<(), SessionError> {
    tracing::info!("draining");
    session.stop_consuming().await?;
    let finished = async {
        while session.has_in_flight() {
            session.start_writing();
            session.written().await?;
            session.acknowledge().await?;
        }
        Ok(())
    };
    tokio::time::timeout(DRAIN_TIMEOUT, finished).await.unwrap_or_else(|_| {
        tracing::warn!("not everything in flight could be stored in time; it stays in the queue");
        Ok(())
    })
}
