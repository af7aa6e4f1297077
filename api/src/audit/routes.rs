//! The audit log over HTTP.

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, get};
use utoipa_actix_web::service_config::ServiceConfig;

use super::queries;
use super::store::AuditEntry;
use super::types::AuditQuery;
use crate::auth::caller::AuthAdmin;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::page::PageQuery;
use crate::http::responses::{AdminErrors, Unavailable};
use crate::ids::AuditId;
use crate::rate_limit::HeavyDb;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_audit);
}

/// What was done, by whom, and how it was before and after; the newest first. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), params(AuditQuery, PageQuery), responses(
    AdminErrors, Unavailable,
    (status = 200, body = [AuditEntry], description = "A page of the audit log",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 422, body = Problem, description = "A bad filter, limit or cursor")))]
#[get("/admin/audit")]
async fn list_audit(
    request: HttpRequest,
    db: HeavyDb,
    _caller: AuthAdmin,
    query: Query<AuditQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<AuditId>()?, query.filter()?);
    let entries = queries::list(&db, filter, &page).await?;
    Ok(page.respond(&request, entries, |entry| entry.id))
}
