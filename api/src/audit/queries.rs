//! The audit log read.

use super::store::{self, AuditEntry};
use super::types::AuditFilter;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::AuditId;

/// A page of entries, the newest first, and one more where there is a next page.
pub async fn list(db: &DbPool, filter: AuditFilter<'_>, page: &Page<AuditId>) -> Result<Vec<AuditEntry>, ApiError> {
    Ok(store::list_entries(&mut *db.get().await?, filter, page.after, page.fetch_limit()).await?)
}
