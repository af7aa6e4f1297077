//! What the audit log says of accounts. It outlives them, so it holds no names, addresses or passwords.

use serde_json::{Value, json};

use super::store::UserRow;
use crate::audit::AuditEvent;
use crate::ids::{SubjectId, UserId};

/// An administrator created at the first start.
pub fn administrator_created(id: UserId) -> AuditEvent {
    let after = Some(json!({"is_admin": true}));
    AuditEvent { actor: id, action: "user.created", subject: subject(id), before: None, after }
}

/// An account changed by an administrator, its own or another's: its role, and which of the rest.
pub fn changed(actor: UserId, before: &UserRow, after: &UserRow, new_password: bool) -> AuditEvent {
    let differences = [
        ("username", before.username != after.username),
        ("email", before.email != after.email),
        ("full_name", before.full_name != after.full_name),
        ("is_admin", before.is_admin != after.is_admin),
        ("password", new_password),
    ];
    let changed: Vec<_> = differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    AuditEvent {
        actor,
        action: "user.changed",
        subject: subject(after.id),
        before: Some(role(before)),
        after: Some(json!({"is_admin": after.is_admin, "changed": changed})),
    }
}

/// An account deleted by its owner.
pub fn deleted(user: &UserRow) -> AuditEvent {
    let before = Some(role(user));
    AuditEvent { actor: user.id, action: "user.deleted", subject: subject(user.id), before, after: None }
}

fn role(user: &UserRow) -> Value {
    json!({"is_admin": user.is_admin})
}

fn subject(id: UserId) -> SubjectId {
    SubjectId::from(id.as_uuid())
}
