//! Tasks in PostgreSQL.

use crate::ids::{TaskId, UserId};
use crate::schema::{devices, tasks};
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use super::types::TaskStatus;
use crate::http::text::escape_like;

/// A task.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(Pg))]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    pub title: String,
    /// At length.
    pub description: Option<String>,
    /// Whether it is done.
    #[diesel(select_expression = tasks::status.eq("done"))]
    #[diesel(select_expression_type = diesel::dsl::Eq<tasks::status, &'static str>)]
    pub is_done: bool,
    /// The device it is about.
    pub device_id: Option<DeviceId>,
    /// Until when.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A task to be written.
#[derive(Insertable)]
#[diesel(table_name = tasks)]
pub struct NewTaskRow<'a> {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub owner_id: UserId,
    /// What is to be done.
    pub title: &'a str,
    /// The title as it is searched.
    pub title_folded: String,
    /// At length.
    pub description: Option<&'a str>,
    /// `pending` or `done`.
    pub status: &'static str,
    /// The device it is about.
    pub device_id: Option<DeviceId>,
    /// Until when.
    pub due_at: Option<DateTime<Utc>>,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// Now.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a task; `None` leaves it.
#[derive(AsChangeset)]
#[diesel(table_name = tasks)]
pub struct TaskChangeset<'a> {
    /// What is to be done.
    pub title: Option<&'a str>,
    /// The title as it is searched.
    pub title_folded: Option<String>,
    /// At length.
    pub description: Option<Option<&'a str>>,
    /// `pending` or `done`.
    pub status: Option<&'static str>,
    /// The device it is about.
    pub device_id: Option<Option<DeviceId>>,
    /// Until when.
    pub due_at: Option<Option<DateTime<Utc>>>,
    /// Later than before.
    pub updated_at: DateTime<Utc>,
}

/// Which of an owner's tasks are wanted; `None` wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those that are so far.
    pub status: Option<TaskStatus>,
    /// Those with this in their title, folded.
    pub title_folded: Option<String>,
    /// Those about this device.
    pub device_id: Option<DeviceId>,
}

/// Which stretch of the list is wanted, oldest task first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Those after this one.
    pub after: Option<TaskId>,
    /// How many of them to pass over.
    pub offset: i64,
    /// Most tasks.
    pub limit: i64,
}

type BoxedTasks<'a> = tasks::BoxedQuery<'a, Pg>;

fn matching(owner: UserId, filter: &TaskFilter) -> BoxedTasks<'_> {
    let mut query = tasks::table.filter(tasks::owner_id.eq(owner)).into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(tasks::status.eq(status.as_str()));
    }
    if let Some(text) = &filter.title_folded {
        query = query.filter(tasks::title_folded.like(format!("%{}%", escape_like(text))));
    }
    if let Some(device) = filter.device_id {
        query = query.filter(tasks::device_id.eq(device));
    }
    query
}

/// A stretch of an owner's tasks.
pub async fn list_tasks(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    filter: &TaskFilter,
    window: Window,
) -> QueryResult<Vec<TaskRow>> {
    let mut query = matching(owner, filter).order(tasks::id).limit(window.limit).offset(window.offset);
    if let Some(after) = window.after {
        query = query.filter(tasks::id.gt(after));
    }
    query.select(TaskRow::as_select()).load(connection).await
}

/// How many of an owner's tasks there are.
pub async fn count_tasks(connection: &mut AsyncPgConnection, owner: UserId, filter: &TaskFilter) -> QueryResult<i64> {
    matching(owner, filter).count().get_result(connection).await
}

/// One of an owner's tasks.
pub async fn find_task(connection: &mut AsyncPgConnection, owner: UserId, id: TaskId) -> QueryResult<Option<TaskRow>> {
    let query = tasks::table.find(id).filter(tasks::owner_id.eq(owner)).select(TaskRow::as_select());
    query.first(connection).await.optional()
}

/// One of an owner's tasks, kept from changing until the transaction ends.
pub async fn lock_task(connection: &mut AsyncPgConnection, owner: UserId, id: TaskId) -> QueryResult<Option<TaskRow>> {
    let query = tasks::table.find(id).filter(tasks::owner_id.eq(owner)).select(TaskRow::as_select());
    query.for_update().first(connection).await.optional()
}

/// Whether a device is there and the owner's; kept from being deleted until the transaction ends.
pub async fn lock_own_device(connection: &mut AsyncPgConnection, owner: UserId, device: DeviceId) -> QueryResult<bool> {
    let query = devices::table.find(device).filter(devices::owner_id.eq(owner)).select(devices::id).for_key_share();
    query.first::<DeviceId>(connection).await.optional().map(|found| found.is_some())
}

/// Writes a task; an owner who is gone violates `tasks_owner_id_fkey`.
pub async fn insert_task(connection: &mut AsyncPgConnection, task: &NewTaskRow<'_>) -> QueryResult<TaskRow> {
    diesel::insert_into(tasks::table).values(task).returning(TaskRow::as_returning()).get_result(connection).await
}

/// Changes a task.
pub async fn update_task(
    connection: &mut AsyncPgConnection,
    id: TaskId,
    changes: &TaskChangeset<'_>,
) -> QueryResult<TaskRow> {
    diesel::update(tasks::table.find(id)).set(changes).returning(TaskRow::as_returning()).get_result(connection).await
}

/// Deletes one of an owner's tasks; tells whether there was one.
pub async fn delete_task(connection: &mut AsyncPgConnection, owner: UserId, id: TaskId) -> QueryResult<bool> {
    let task = tasks::table.find(id).filter(tasks::owner_id.eq(owner));
    diesel::delete(task).execute(connection).await.map(|rows| rows == 1)
}
