//! A query whose client has hung up is ended: PostgreSQL would otherwise go on with it to its end.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Object;
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

use super::DbConnection;

/// How long ending a query may take; after it the connection is closed either way.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection whose query is cancelled when this is dropped before [`Self::finish`]. What else has to stay until then
/// (a permit) goes along as `T`.
pub struct CancelOnDrop<T: Send + 'static> {
    held: Option<(DbConnection, T)>,
    runtime: Handle,
}

impl<T: Send + 'static> CancelOnDrop<T> {
    /// Guards a connection; cancels on `runtime`.
    pub fn new(connection: DbConnection, with: T, runtime: Handle) -> Self {
        Self { held: Some((connection, with)), runtime }
    }

    /// The connection; `None` only while it is dropped.
    pub fn connection(&mut self) -> Option<&mut AsyncPgConnection> {
        self.held.as_mut().map(|(connection, _)| &mut **connection)
    }

    /// No query is running any more: the connection goes back to its pool.
    pub fn finish(mut self) {
        self.held = None;
    }
}

impl<T: Send + 'static> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        let Some((connection, with)) = self.held.take() else { return };
        // Out of the pool first: the cancellation must not meet the query of whoever would get it next.
        let connection = Object::take(connection);
        let token = connection.cancel_token();
        self.runtime.spawn(async move {
            if !matches!(tokio::time::timeout(CANCEL_TIMEOUT, token.cancel_query(NoTls)).await, Ok(Ok(()))) {
                tracing::debug!("a query that nobody waits for could not be cancelled");
            }
            drop((connection, with));
        });
    }
}
