//! Recording audit events.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store;
use super::types::AuditEvent;
use crate::ids::AuditId;

/// Records what the caller's transaction does; when this fails, nothing of the transaction may stay.
pub async fn record(connection: &mut AsyncPgConnection, now: DateTime<Utc>, event: AuditEvent) -> QueryResult<()> {
    store::insert_event(connection, AuditId::generate(), now, event).await
}
