//! The rules of tasks.

use pulso_shared::ids::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::text::{self, text_type};
use crate::http::timestamp::Instant;

text_type! {
    /// What is to be done, in a line.
    Title, text::line, 200
}
text_type! {
    /// What is to be done, at length; may have several lines.
    Description, text::paragraph, 5_000
}
text_type! {
    /// A piece of a title to look for.
    SearchText, text::line, 200
}

/// How far it is.
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
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
        }
    }

    /// From the word for it.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "pending" => Some(Self::Pending),
            "done" | "completed" => Some(Self::Done),
            _ => None,
        }
    }

    /// From whether it is done.
    #[must_use]
    pub fn from_completed(is_completed: bool) -> Self {
        if is_completed { Self::Done } else { Self::Pending }
    }
}

/// A task, as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSettings {
    /// What is to be done.
    pub title: Title,
    /// At length.
    pub description: Option<Description>,
    /// How far it is.
    pub status: TaskStatus,
    /// The device it is about.
    pub device_id: Option<DeviceId>,
    /// Until when.
    pub due_at: Option<Instant>,
}

/// What is to change of a task; `None` leaves it, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskChanges {
    /// What is to be done.
    pub title: Option<Title>,
    /// At length.
    pub description: Option<Option<Description>>,
    /// How far it is.
    pub status: Option<TaskStatus>,
    /// The device it is about.
    pub device_id: Option<Option<DeviceId>>,
    /// Until when.
    pub due_at: Option<Option<Instant>>,
}

impl From<TaskSettings> for TaskChanges {
    /// The changes that make a task what `settings` say, and nothing else.
    fn from(settings: TaskSettings) -> Self {
        Self {
            title: Some(settings.title),
            description: Some(settings.description),
            status: Some(settings.status),
            device_id: Some(settings.device_id),
            due_at: Some(settings.due_at),
        }
    }
}
