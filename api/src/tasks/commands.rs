//! Tasks: created, changed, deleted.

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;

use super::folding::fold;
use super::store::{self, NewTaskRow, TaskChangeset, TaskRow};
use super::types::{Description, NO_TASK, TaskChanges, TaskSettings, TaskStatus, Title};
use crate::accounts;
use crate::auth::caller::ACCOUNT_GONE;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::etag::IfMatch;
use crate::ids::{TaskId, UserId};

/// Titles that are read in one query.
const TITLES_AT_ONCE: i64 = 1_000;

/// Creates a task; 422 for a device that is not the owner's.
pub async fn create(db: &DbPool, clock: &Clock, owner: UserId, settings: &TaskSettings) -> Result<TaskRow, ApiError> {
    let now = clock.now();
    let row = NewTaskRow {
        id: TaskId::generate(),
        owner_id: owner,
        title: settings.title.as_str(),
        title_folded: fold(settings.title.as_str()),
        description: settings.description.as_ref().map(Description::as_str),
        status: settings.status().as_str(),
        device_id: settings.device_id,
        due_at: settings.due_at.map(|instant| instant.0),
        created_at: now,
        updated_at: now,
    };
    let mut connection = db.get().await?;
    let made = connection.transaction(async |connection| {
        if !accounts::keep(connection, owner).await? {
            return Err(ACCOUNT_GONE);
        }
        check_device(connection, owner, settings.device_id).await?;
        Ok(store::insert_task(connection, &row).await?)
    });
    made.await
}

/// Changes a task; 422 for a device that is not the owner's.
pub async fn change(
    db: &DbPool,
    clock: &Clock,
    owner: UserId,
    id: TaskId,
    if_match: &IfMatch,
    changes: &TaskChanges,
) -> Result<TaskRow, ApiError> {
    let mut connection = db.get().await?;
    let changed = connection.transaction(async |connection| {
        let before = store::lock_task(connection, owner, id).await?.ok_or(NO_TASK)?;
        if_match.check(before.updated_at)?;
        if *changes == TaskChanges::default() {
            return Ok(before);
        }
        check_device(connection, owner, changes.device_id.flatten()).await?;
        // Each version has its own instant, also on a clock that was set back.
        let updated_at = clock.now().max(before.updated_at + TimeDelta::microseconds(1));
        let changeset = TaskChangeset {
            title: changes.title.as_ref().map(Title::as_str),
            title_folded: changes.title.as_ref().map(|title| fold(title.as_str())),
            description: changes.description.as_ref().map(|text| text.as_ref().map(Description::as_str)),
            status: changes.status().map(TaskStatus::as_str),
            device_id: changes.device_id,
            due_at: changes.due_at.map(|due| due.map(|instant| instant.0)),
            updated_at,
        };
        Ok(store::update_task(connection, id, &changeset).await?)
    });
    changed.await
}

/// Folds every title as this release does; returns how many an older one had folded in another way.
pub async fn fold_titles(connection: &mut AsyncPgConnection) -> QueryResult<usize> {
    let (mut changed, mut after) = (0_usize, None);
    loop {
        let titles = store::list_titles(connection, after, TITLES_AT_ONCE).await?;
        let Some((last, ..)) = titles.last() else { return Ok(changed) };
        after = Some(*last);
        for (id, title, before) in &titles {
            let folded = fold(title);
            if folded != *before {
                changed = changed.saturating_add(store::set_title_folded(connection, *id, title, &folded).await?);
            }
        }
    }
}

pub async fn delete(db: &DbPool, owner: UserId, id: TaskId) -> Result<(), ApiError> {
    let is_deleted = store::delete_task(&mut *db.get().await?, owner, id).await?;
    if is_deleted { Ok(()) } else { Err(NO_TASK) }
}

/// Nobody learns that another's device exists: it gets the same fault as an unknown one.
async fn check_device(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    device: Option<DeviceId>,
) -> Result<(), ApiError> {
    match device {
        Some(device) if !store::lock_own_device(connection, owner, device).await? => {
            Err(ApiError::field("device_id", "unknown_device", "there is no such device"))
        }
        _ => Ok(()),
    }
}
