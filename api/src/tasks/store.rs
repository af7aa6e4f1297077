//! Tasks in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::dsl::{not, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pulso_shared::ids::DeviceId;

use super::types::TaskStatus;
use crate::http::text::like_anywhere;
use crate::ids::{TaskId, UserId};
use crate::schema::{devices, tasks};

/// A task.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(Pg))]
pub struct TaskRow {
    pub id: TaskId,
    pub title: String,
    pub description: Option<String>,
    #[diesel(select_expression = tasks::status.eq("done"))]
    #[diesel(select_expression_type = diesel::dsl::Eq<tasks::status, &'static str>)]
    pub is_done: bool,
    pub device_id: Option<DeviceId>,
    pub due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A task to be written.
#[derive(Insertable)]
#[diesel(table_name = tasks)]
pub struct NewTaskRow<'a> {
    pub id: TaskId,
    pub owner_id: UserId,
    pub title: &'a str,
    /// What a search compares with.
    pub title_folded: String,
    pub description: Option<&'a str>,
    pub status: &'static str,
    pub device_id: Option<DeviceId>,
    pub due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What changes of a task; `None` leaves it.
#[derive(AsChangeset)]
#[diesel(table_name = tasks)]
pub struct TaskChangeset<'a> {
    pub title: Option<&'a str>,
    /// What a search compares with.
    pub title_folded: Option<String>,
    pub description: Option<Option<&'a str>>,
    pub status: Option<&'static str>,
    pub device_id: Option<Option<DeviceId>>,
    pub due_at: Option<Option<DateTime<Utc>>>,
    pub updated_at: DateTime<Utc>,
}

/// Which of an owner's tasks to list; `None` does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    pub status: Option<TaskStatus>,
    /// Those with this in their title, folded.
    pub title_folded: Option<String>,
    /// Those about this device.
    pub device_id: Option<DeviceId>,
}

/// Which part of the list, oldest task first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Those after this one.
    pub after: Option<TaskId>,
    /// How many of them to skip.
    pub offset: i64,
    pub limit: i64,
}

type BoxedTasks<'a> = tasks::BoxedQuery<'a, Pg>;

fn matching(owner: UserId, filter: &TaskFilter) -> BoxedTasks<'_> {
    let mut query = tasks::table.filter(tasks::owner_id.eq(owner)).into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(tasks::status.eq(status.as_str()));
    }
    if let Some(text) = &filter.title_folded {
        query = query.filter(tasks::title_folded.like(like_anywhere(text)));
    }
    if let Some(device) = filter.device_id {
        query = query.filter(tasks::device_id.eq(device));
    }
    query
}

/// A part of the list of an owner's tasks.
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

/// Whether a device exists and is the owner's; kept from being deleted until the transaction ends.
pub async fn lock_own_device(connection: &mut AsyncPgConnection, owner: UserId, device: DeviceId) -> QueryResult<bool> {
    let query = devices::table.find(device).filter(devices::owner_id.eq(owner)).select(devices::id).for_key_share();
    query.first::<DeviceId>(connection).await.optional().map(|found| found.is_some())
}

/// Titles that folding may change, a page at a time in the order of their ids: those that are not plain ASCII.
pub async fn list_titles(
    connection: &mut AsyncPgConnection,
    after: Option<TaskId>,
    limit: i64,
) -> QueryResult<Vec<(TaskId, String, String)>> {
    let is_plain = sql::<Bool>("title ~ '^[\\x01-\\x7f]*$'");
    let mut query = tasks::table.filter(not(is_plain)).order(tasks::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(tasks::id.gt(after));
    }
    query.select((tasks::id, tasks::title, tasks::title_folded)).load(connection).await
}

/// Writes a title's folded form, unless the title has changed meanwhile.
pub async fn set_title_folded(
    connection: &mut AsyncPgConnection,
    id: TaskId,
    title: &str,
    folded: &str,
) -> QueryResult<usize> {
    let task = tasks::table.find(id).filter(tasks::title.eq(title));
    diesel::update(task).set(tasks::title_folded.eq(folded)).execute(connection).await
}

/// Writes a task. The caller keeps its owner from being deleted.
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

/// Deletes one of an owner's tasks; returns whether it existed.
pub async fn delete_task(connection: &mut AsyncPgConnection, owner: UserId, id: TaskId) -> QueryResult<bool> {
    let task = tasks::table.find(id).filter(tasks::owner_id.eq(owner));
    diesel::delete(task).execute(connection).await.map(|rows| rows == 1)
}
