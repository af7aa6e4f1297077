//! Audit events, and which of them a reader wants.

use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::http::error::{ApiError, FieldError};
use crate::ids::{SubjectId, UserId};

/// A change, to be recorded in the transaction that makes it.
pub struct AuditEvent {
    pub actor: UserId,
    /// `<thing>.<what happened>`.
    pub action: &'static str,
    pub subject: SubjectId,
    /// `None` for what is new.
    pub before: Option<Value>,
    /// `None` for what is gone.
    pub after: Option<Value>,
}

/// Which entries are wanted; `None` wants all.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditFilter<'a> {
    pub actor: Option<UserId>,
    pub subject: Option<SubjectId>,
    pub action: Option<&'a str>,
}

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only events of this account.
    #[param(value_type = Option<String>, pattern = "^(|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$")]
    actor_id: Option<String>,
    /// Only events about this thing.
    #[param(value_type = Option<String>, pattern = "^(|[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$")]
    subject_id: Option<String>,
    /// Only this kind of event, for example `order.status_changed`.
    action: Option<String>,
}

impl AuditQuery {
    /// Checks them.
    pub fn filter(&self) -> Result<AuditFilter<'_>, ApiError> {
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
