//! What comes in.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use utoipa::ToSchema;

use super::types::{TaskChanges, TaskSettings, TaskStatus};
use crate::http::extract::json::{Fields, FromFields};

/// A task.
#[derive(ToSchema)]
#[schema(example = json!({"title": "Change the filter", "due_at": "2026-12-01T12:00:00Z"}))]
#[expect(dead_code, reason = "documents the body; TaskSettings reads it")]
pub struct TaskBody {
    /// What is to be done.
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// At length.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// How far it is; at first `pending`. `completed` is another word for `done`.
    status: Option<TaskStatus>,
    /// The same as a yes or no, for clients that know no status.
    completed: Option<bool>,
    /// The device it is about, one of one's own.
    device_id: Option<DeviceId>,
    /// Until when.
    due_at: Option<DateTime<Utc>>,
}

/// Changes of a task; what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({"status": "done"}))]
#[expect(dead_code, reason = "documents the body; TaskChanges reads it")]
pub struct TaskChangesBody {
    /// What is to be done.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// At length; `null` clears it.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// How far it is. `completed` is another word for `done`.
    status: Option<TaskStatus>,
    /// The same as a yes or no.
    completed: Option<bool>,
    /// The device it is about; `null` clears it.
    device_id: Option<DeviceId>,
    /// Until when; `null` clears it.
    due_at: Option<DateTime<Utc>>,
}

impl FromFields for TaskSettings {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (title, description) = (fields.required("title"), fields.optional_text("description"));
        let status = status(fields.optional_text("status"), fields.optional("completed"), fields).unwrap_or_default();
        let (device_id, due_at) = (fields.optional_text("device_id"), fields.optional_text("due_at"));
        Some(Self { title: title?, description, status, device_id, due_at })
    }
}

impl FromFields for TaskChanges {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (title, description) = (fields.change("title"), fields.change_text("description"));
        let status = status(fields.change("status"), fields.change("completed"), fields);
        let (device_id, due_at) = (fields.change_text("device_id"), fields.change_text("due_at"));
        Some(Self { title, description, status, device_id, due_at })
    }
}

/// Both fields say the same thing, so they must not contradict each other.
fn status(status: Option<TaskStatus>, completed: Option<bool>, fields: &mut Fields) -> Option<TaskStatus> {
    let by_completed = completed.map(TaskStatus::from_completed);
    if status.zip(by_completed).is_some_and(|(one, other)| one != other) {
        fields.fault("completed", "contradiction", "says something else than status");
    }
    status.or(by_completed)
}

#[cfg(test)]
mod tests {
    use crate::http::error::ApiError;
    use crate::http::extract::json::parse;
    use crate::tasks::types::{TaskChanges, TaskSettings, TaskStatus};

    #[test]
    fn a_status_is_read_in_all_its_forms() {
        for (body, status) in [
            (r#"{"title": "x"}"#, TaskStatus::Pending),
            (r#"{"title": "x", "status": "done"}"#, TaskStatus::Done),
            (r#"{"title": "x", "status": "completed"}"#, TaskStatus::Done),
            (r#"{"title": "x", "completed": true}"#, TaskStatus::Done),
            (r#"{"title": "x", "completed": false, "status": "pending"}"#, TaskStatus::Pending),
        ] {
            assert_eq!(parse::<TaskSettings>(body.as_bytes()).unwrap().status, status, "{body}");
        }
        assert_eq!(parse::<TaskChanges>(br#"{"completed": true}"#).unwrap().status, Some(TaskStatus::Done));
    }

    #[test]
    fn a_contradiction_is_a_fault() {
        let refused = parse::<TaskChanges>(br#"{"completed": true, "status": "pending"}"#);
        let Err(ApiError::Validation(faults)) = refused else { panic!("it was taken") };
        assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/completed", "contradiction"));
    }
}
