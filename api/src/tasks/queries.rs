//! Tasks as they are shown.

use super::list_query::NumberedPage;
use super::store::{self, TaskFilter, TaskRow, Window};
use super::types::{NO_TASK, TaskResponse, TaskStatus};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::{TaskId, UserId};
use crate::rate_limit::HeavyDb;

pub async fn find(db: &DbPool, owner: UserId, id: TaskId) -> Result<TaskRow, ApiError> {
    store::find_task(&mut *db.get().await?, owner, id).await?.ok_or(NO_TASK)
}

/// A page of tasks after a cursor, oldest first.
pub async fn list(
    db: &HeavyDb,
    owner: UserId,
    filter: &TaskFilter,
    page: &Page<TaskId>,
) -> Result<Vec<TaskResponse>, ApiError> {
    let window = Window { after: page.after, offset: 0, limit: page.fetch_limit() };
    let tasks = db.run(async |connection| Ok(store::list_tasks(connection, owner, filter, window).await?)).await?;
    Ok(tasks.into_iter().map(TaskResponse::from).collect())
}

/// A page of tasks by its number, oldest first, and how many there are on all pages.
pub async fn list_numbered(
    db: &HeavyDb,
    owner: UserId,
    filter: &TaskFilter,
    page: NumberedPage,
) -> Result<(Vec<TaskResponse>, i64), ApiError> {
    let (total, tasks) = db
        .run(async |connection| {
            let total = store::count_tasks(connection, owner, filter).await?;
            Ok((total, store::list_tasks(connection, owner, filter, page.window()).await?))
        })
        .await?;
    Ok((tasks.into_iter().map(TaskResponse::from).collect(), total))
}

impl From<TaskRow> for TaskResponse {
    fn from(row: TaskRow) -> Self {
        let status = TaskStatus::from_completed(row.is_done);
        let TaskRow { id, title, description, is_done: completed, device_id, due_at, created_at, updated_at } = row;
        Self { id, title, description, status, completed, device_id, due_at, created_at, updated_at }
    }
}
