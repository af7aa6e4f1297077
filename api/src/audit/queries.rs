//! The audit log read.

use super::store::{self, AuditEntry};
use super::types::AuditFilter;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::AuditId;
use crate::rate_limit::HeavyDb;

/// A page of entries, the newest first, and one more where there is a next page.
pub async fn list(db: &HeavyDb, filter: AuditFilter<'_>, page: &Page<AuditId>) -> Result<Vec<AuditEntry>, ApiError> {
    db.run(async |connection| Ok(store::list_entries(connection, filter, page.after, page.fetch_limit()).await?)).await
}
