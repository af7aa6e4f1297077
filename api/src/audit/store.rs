//! The audit log in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::types::{AuditEvent, AuditFilter};
use crate::ids::{AuditId, SubjectId, UserId};
use crate::schema::audit_log;

/// An entry of the audit log.
#[derive(Debug, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = audit_log, check_for_backend(Pg))]
pub struct AuditEntry {
    /// Id; later entries have greater ones.
    pub id: AuditId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Account that did it; it may have been deleted since.
    pub actor_id: UserId,
    /// `<thing>.<what happened>`.
    #[schema(example = "order.status_changed")]
    pub action: String,
    /// Id of what was changed: a product, an order, …
    pub subject_id: SubjectId,
    /// State before; `null` for what was created.
    pub before: Option<Value>,
    /// State after; `null` for what was deleted.
    pub after: Option<Value>,
}

/// Writes an event.
pub async fn insert_event(
    connection: &mut AsyncPgConnection,
    id: AuditId,
    at: DateTime<Utc>,
    event: AuditEvent,
) -> QueryResult<()> {
    let row = (
        audit_log::id.eq(id),
        audit_log::at.eq(at),
        audit_log::actor_id.eq(event.actor),
        audit_log::action.eq(event.action),
        audit_log::subject_id.eq(event.subject),
        audit_log::before.eq(event.before),
        audit_log::after.eq(event.after),
    );
    diesel::insert_into(audit_log::table).values(row).execute(connection).await.map(|_| ())
}

/// A page of entries before `before`, the newest first.
pub async fn list_entries(
    connection: &mut AsyncPgConnection,
    filter: AuditFilter<'_>,
    before: Option<AuditId>,
    limit: i64,
) -> QueryResult<Vec<AuditEntry>> {
    let query = audit_log::table.select(AuditEntry::as_select());
    let mut query = query.order(audit_log::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(audit_log::id.lt(before));
    }
    if let Some(actor) = filter.actor {
        query = query.filter(audit_log::actor_id.eq(actor));
    }
    if let Some(subject) = filter.subject {
        query = query.filter(audit_log::subject_id.eq(subject));
    }
    if let Some(action) = filter.action {
        query = query.filter(audit_log::action.eq(action.to_owned()));
    }
    query.load(connection).await
}
