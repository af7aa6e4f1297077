//! The audit log over HTTP.

use crate::ids::{AuditId, SubjectId, UserId};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::{self, AuditEntry, AuditFilter};
use crate::auth::caller::AuthAdmin;
use crate::http::error::{ApiError, FieldError, Problem};
use crate::http::extract::page::PageQuery;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_audit);
}

/// Which entries are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only what this account did.
    actor_id: Option<String>,
    /// Only what was done to this thing.
    subject_id: Option<String>,
    /// Only this kind of deed, for example `order.status_changed`.
    action: Option<String>,
}

impl AuditQuery {
    fn filter(&self) -> Result<AuditFilter<'_>, ApiError> {
        let mut errors = Vec::new();
        // Every id is read the same way, whatever it is the id of.
        let mut id = |name, text: &Option<String>| {
            let id = text.as_deref().filter(|text| !text.is_empty())?.parse::<SubjectId>();
            id.map_err(|error| errors.push(FieldError::new(name, "invalid", error))).ok()
        };
        let (actor, subject) = (id("actor_id", &self.actor_id), id("subject_id", &self.subject_id));
        let actor = actor.map(|id| UserId::from(id.as_uuid()));
        let action = self.action.as_deref().filter(|action| !action.is_empty());
        if action.is_some_and(|action| action.contains('\0')) {
            errors.push(FieldError::new("action", "invalid", "must not contain control characters"));
        }
        if errors.is_empty() { Ok(AuditFilter { actor, subject, action }) } else { Err(ApiError::Validation(errors)) }
    }
}

/// What was done, by whom, and how it was before and after; the newest first. For administrators.
#[utoipa::path(tag = "operators", security(("bearer" = [])), params(AuditQuery, PageQuery), responses(
    (status = 200, body = [AuditEntry], description = "A page of the audit log",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 422, body = Problem, description = "A bad filter, limit or cursor")))]
#[get("/admin/audit")]
async fn list_audit(
    request: HttpRequest,
    state: Data<AppState>,
    _caller: AuthAdmin,
    query: Query<AuditQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<AuditId>()?, query.filter()?);
    let mut connection = state.db.get().await?;
    let entries = store::list_entries(&mut connection, filter, page.after, page.fetch_limit()).await?;
    Ok(page.respond(&request, entries, |entry| entry.id))
}
