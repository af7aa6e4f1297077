//! What goes out.

use crate::ids::TaskId;
use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::store::TaskRow;
use super::types::TaskStatus;

/// A task.
#[derive(Serialize, ToSchema)]
pub struct TaskResponse {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    title: String,
    /// At length.
    description: Option<String>,
    /// How far it is.
    status: TaskStatus,
    /// Whether it is done: `status` as a yes or no.
    completed: bool,
    /// The device it is about; `null` when there is none, or none any more.
    device_id: Option<DeviceId>,
    /// Until when.
    due_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<TaskRow> for TaskResponse {
    fn from(row: TaskRow) -> Self {
        let status = TaskStatus::from_completed(row.is_done);
        let TaskRow { id, title, description, is_done: completed, device_id, due_at, created_at, updated_at } = row;
        Self { id, title, description, status, completed, device_id, due_at, created_at, updated_at }
    }
}
