//! Bodies, responses and rules of tasks.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::error::ApiError;
use crate::http::extract::blank::{blank_or_id, blank_or_instant};
use crate::http::extract::fields::{Fields, body, change, change_text, optional, optional_text, required};
use crate::http::text::{self, text_type};
use crate::http::timestamp::Instant;
use crate::ids::TaskId;

/// For a task that does not exist, and for somebody else's.
pub const NO_TASK: ApiError = ApiError::NotFound("task");

text_type! {
    /// What is to be done, in a line.
    Title, text::line, 200
}
text_type! {
    /// What is to be done, at length; may have several lines.
    Description, text::paragraph, 5_000
}

/// How far a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Still to be done.
    #[default]
    Pending,
    /// Done. Many to-do clients say `completed`.
    #[serde(alias = "completed")]
    Done,
}

impl TaskStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }

    pub fn from_completed(is_completed: bool) -> Self {
        if is_completed { Self::Done } else { Self::Pending }
    }
}

body! {
    /// A task.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[schema(as = TaskBody, example = json!({"title": "Change the filter", "due_at": "2026-12-01T12:00:00Z"}))]
    pub struct TaskSettings {
        /// One line.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 200)]
        pub title: Title = required,
        /// Free text; may have several lines.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 5000)]
        pub description: Option<Description> = optional_text,
        /// `pending` unless given. `completed` is another word for `done`.
        pub status: Option<TaskStatus> = optional_text,
        /// The status as a yes or no, for clients that know no status.
        pub completed: Option<bool> = optional,
        /// ULID or UUID of the device it is about, one of one's own.
        #[schema(schema_with = blank_or_id)]
        pub device_id: Option<DeviceId> = optional_text,
        /// When it is due; RFC 3339.
        #[schema(schema_with = blank_or_instant)]
        pub due_at: Option<Instant> = optional_text,
    }
    then(fields) {
        check_status(fields, status, completed);
    }
}

body! {
    /// Changes of a task; what is left out stays.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    #[schema(as = TaskChangesBody, example = json!({"status": "done"}))]
    pub struct TaskChanges {
        /// One line.
        #[schema(value_type = String, required = false, format = "line", min_length = 1, max_length = 200)]
        pub title: Option<Title> = change,
        /// `null` clears it.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 5000)]
        pub description: Option<Option<Description>> = change_text,
        /// `completed` is another word for `done`.
        #[schema(value_type = TaskStatus, required = false)]
        pub status: Option<TaskStatus> = change,
        /// The status as a yes or no.
        #[schema(value_type = bool, required = false)]
        pub completed: Option<bool> = change,
        /// ULID or UUID of the device it is about; `null` clears it.
        #[schema(schema_with = blank_or_id)]
        pub device_id: Option<Option<DeviceId>> = change_text,
        /// When it is due, RFC 3339; `null` clears it.
        #[schema(schema_with = blank_or_instant)]
        pub due_at: Option<Option<Instant>> = change_text,
    }
    then(fields) {
        check_status(fields, status, completed);
    }
}

/// Both fields say the same thing, so they must not contradict each other.
fn check_status(fields: &mut Fields, status: Option<Option<TaskStatus>>, completed: Option<Option<bool>>) {
    let by_completed = completed.flatten().map(TaskStatus::from_completed);
    if status.flatten().zip(by_completed).is_some_and(|(one, other)| one != other) {
        fields.fault("completed", "contradiction", "says something else than status");
    }
}

impl TaskSettings {
    /// The status, by whichever of the two fields was sent.
    pub fn status(&self) -> TaskStatus {
        self.status.or(self.completed.map(TaskStatus::from_completed)).unwrap_or_default()
    }
}

impl TaskChanges {
    /// The new status, by whichever of the two fields was sent.
    pub fn status(&self) -> Option<TaskStatus> {
        self.status.or(self.completed.map(TaskStatus::from_completed))
    }
}

impl From<TaskSettings> for TaskChanges {
    /// The changes that make a task what `settings` say, and nothing else.
    fn from(settings: TaskSettings) -> Self {
        let status = settings.status();
        Self {
            title: Some(settings.title),
            description: Some(settings.description),
            status: Some(status),
            completed: None,
            device_id: Some(settings.device_id),
            due_at: Some(settings.due_at),
        }
    }
}

/// A task.
#[derive(Serialize, ToSchema)]
pub struct TaskResponse {
    pub id: TaskId,
    pub title: String,
    pub description: Option<String>,
    pub status: TaskStatus,
    /// `status` as a yes or no.
    pub completed: bool,
    /// The device it is about; `null` when there is none, or it has been deleted.
    pub device_id: Option<DeviceId>,
    /// When it is due.
    pub due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// The task's version: each change has a later one.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::{TaskChanges, TaskSettings, TaskStatus};
    use crate::http::error::ApiError;
    use crate::http::extract::json::parse;

    #[test]
    fn a_status_is_read_in_all_its_forms() {
        for (body, status) in [
            (r#"{"title": "x"}"#, TaskStatus::Pending),
            (r#"{"title": "x", "status": "done"}"#, TaskStatus::Done),
            (r#"{"title": "x", "status": "completed"}"#, TaskStatus::Done),
            (r#"{"title": "x", "completed": true}"#, TaskStatus::Done),
            (r#"{"title": "x", "completed": false, "status": "pending"}"#, TaskStatus::Pending),
        ] {
            assert_eq!(parse::<TaskSettings>(body.as_bytes()).unwrap().status(), status, "{body}");
        }
        assert_eq!(parse::<TaskChanges>(br#"{"completed": true}"#).unwrap().status(), Some(TaskStatus::Done));
    }

    #[test]
    fn a_contradiction_is_a_fault() {
        let refused = parse::<TaskChanges>(br#"{"completed": true, "status": "pending"}"#);
        let Err(ApiError::Validation(faults)) = refused else { panic!("it was taken") };
        assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/completed", "contradiction"));
    }
}
