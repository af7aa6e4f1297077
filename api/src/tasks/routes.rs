//! Tasks over HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LINK, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::list_query::TaskQuery;
use super::store::TaskRow;
use super::types::{TaskChanges, TaskResponse, TaskSettings};
use super::{commands, queries};
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{BodyErrors, NotFound, Unavailable, UserErrors, VersionErrors};
use crate::ids::TaskId;
use crate::rate_limit::HeavyDb;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(create_task)
        .service(list_tasks)
        .service(get_task)
        .service(replace_task)
        .service(update_task)
        .service(delete_task);
}

fn respond(request: &HttpRequest, status: StatusCode, task: TaskRow) -> Result<HttpResponse, ApiError> {
    let updated_at = task.updated_at;
    etag::respond(request, status, &TaskResponse::from(task), updated_at)
}

/// Makes a task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskSettings),
    responses(UserErrors, BodyErrors, Unavailable,
    (status = 201, body = TaskResponse, description = "Made", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 422, body = Problem, description = "Something in it is not valid, or the device is not one of yours")))]
#[post("/tasks")]
async fn create_task(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    body: Json<TaskSettings>,
) -> Result<HttpResponse, ApiError> {
    let task = commands::create(&db, &clock, caller.user_id, &body.0).await?;
    let location = HeaderValue::from_str(&format!("{API_PREFIX}/tasks/{}", task.id));
    let mut response = respond(&request, StatusCode::CREATED, task)?;
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One's own tasks, the oldest first.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), params(TaskQuery, PageQuery),
    responses(UserErrors, Unavailable,
    (status = 200, body = [TaskResponse], description = "A page of tasks", headers(
        ("Link" = String, description = "The next page, while there is one"),
        ("X-Total-Count" = i64, description = "With page or page_size: how many tasks there are on all pages"))),
    (status = 422, body = Problem, description = "A bad filter, limit, page or cursor")))]
#[get("/tasks")]
async fn list_tasks(
    request: HttpRequest,
    db: HeavyDb,
    caller: AuthUser,
    query: Query<TaskQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (filter, numbered, page) = query.parse(&page)?;
    let Some(numbered) = numbered else {
        let tasks = queries::list(&db, caller.user_id, &filter, &page).await?;
        return Ok(page.respond(&request, tasks, |task| task.id));
    };
    let (tasks, total) = queries::list_numbered(&db, caller.user_id, &filter, numbered).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(("X-Total-Count", total));
    if let Some(last) = tasks.last().filter(|_| numbered.has_next(total)) {
        response.insert_header((LINK, numbered.link_next(request.path(), request.query_string(), last.id)));
    }
    Ok(response.json(tasks))
}

/// A task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task's ULID or UUID")), responses(UserErrors, NotFound, Unavailable,
    (status = 200, body = TaskResponse, description = "The task", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/tasks/{id}")]
async fn get_task(
    request: HttpRequest,
    db: Data<DbPool>,
    caller: AuthUser,
    id: PathId<TaskId>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, StatusCode::OK, queries::find(&db, caller.user_id, id.0).await?)
}

/// Describes a task anew: what is left out is cleared, and the status is `pending` again.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskSettings),
    params(("id" = String, Path, description = "The task's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(UserErrors, NotFound, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = TaskResponse, description = "Changed"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the device is not one of yours")))]
#[put("/tasks/{id}")]
async fn replace_task(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<TaskId>,
    if_match: IfMatch,
    body: Json<TaskSettings>,
) -> Result<HttpResponse, ApiError> {
    let changes = TaskChanges::from(body.0);
    respond(&request, StatusCode::OK, commands::change(&db, &clock, caller.user_id, id.0, &if_match, &changes).await?)
}

/// Changes some of a task: what is left out stays, `null` clears.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskChanges),
    params(("id" = String, Path, description = "The task's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(UserErrors, NotFound, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = TaskResponse, description = "Changed"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the device is not one of yours")))]
#[patch("/tasks/{id}")]
async fn update_task(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<TaskId>,
    if_match: IfMatch,
    body: Json<TaskChanges>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, StatusCode::OK, commands::change(&db, &clock, caller.user_id, id.0, &if_match, &body.0).await?)
}

/// Deletes a task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task's ULID or UUID")), responses(UserErrors, NotFound, Unavailable,
    (status = 204, description = "Deleted")))]
#[delete("/tasks/{id}")]
async fn delete_task(db: Data<DbPool>, caller: AuthUser, id: PathId<TaskId>) -> Result<HttpResponse, ApiError> {
    commands::delete(&db, caller.user_id, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
