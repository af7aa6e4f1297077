//! Tasks over HTTP.

use crate::ids::TaskId;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::TaskResponse;
use super::body::{TaskBody, TaskChangesBody};
use super::listing::{self, TaskQuery};
use super::store::TaskRow;
use super::types::{TaskChanges, TaskSettings};
use super::{NO_TASK, edits, store};
use crate::auth::caller::AuthUser;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::state::AppState;

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

fn answer(request: &HttpRequest, status: StatusCode, task: TaskRow) -> Result<HttpResponse, ApiError> {
    let updated_at = task.updated_at;
    etag::respond(request, status, &TaskResponse::from(task), updated_at)
}

/// Makes a task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskBody), responses(
    (status = 201, body = TaskResponse, description = "Made", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the device is not one of yours")))]
#[post("/tasks")]
async fn create_task(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    body: Json<TaskSettings>,
) -> Result<HttpResponse, ApiError> {
    let task = edits::create(&state, caller.user_id, &body.0).await?;
    let location = HeaderValue::from_str(&format!("{API_PREFIX}/tasks/{}", task.id));
    let mut response = answer(&request, StatusCode::CREATED, task)?;
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One's own tasks, the oldest first.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), params(TaskQuery, PageQuery), responses(
    (status = 200, body = [TaskResponse], description = "A page of tasks", headers(
        ("Link" = String, description = "The next page, while there is one"),
        ("X-Total-Count" = i64, description = "With page or page_size: how many tasks there are on all pages"))),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 422, body = Problem, description = "A bad filter, limit, page or cursor")))]
#[get("/tasks")]
async fn list_tasks(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    query: Query<TaskQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    listing::respond(&state, caller.user_id, &request, &query, &page).await
}

/// A task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task's ULID or UUID")), responses(
    (status = 200, body = TaskResponse, description = "The task", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's")))]
#[get("/tasks/{id}")]
async fn get_task(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<TaskId>,
) -> Result<HttpResponse, ApiError> {
    let task = store::find_task(&mut *state.db.get().await?, caller.user_id, id.0).await?.ok_or(NO_TASK)?;
    answer(&request, StatusCode::OK, task)
}

/// Describes a task anew: what is left out is cleared, and the status is `pending` again.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskBody),
    params(("id" = String, Path, description = "The task's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = TaskResponse, description = "Changed"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the device is not one of yours")))]
#[put("/tasks/{id}")]
async fn replace_task(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<TaskId>,
    if_match: IfMatch,
    body: Json<TaskSettings>,
) -> Result<HttpResponse, ApiError> {
    let changes = TaskChanges::from(body.0);
    answer(&request, StatusCode::OK, edits::change(&state, caller.user_id, id.0, &if_match, &changes).await?)
}

/// Changes some of a task: what is left out stays, `null` clears.
#[utoipa::path(tag = "tasks", security(("bearer" = [])), request_body(content = TaskChangesBody),
    params(("id" = String, Path, description = "The task's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = TaskResponse, description = "Changed"),
    (status = "4XX", body = Problem, description = "As for PUT")))]
#[patch("/tasks/{id}")]
async fn update_task(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<TaskId>,
    if_match: IfMatch,
    body: Json<TaskChanges>,
) -> Result<HttpResponse, ApiError> {
    answer(&request, StatusCode::OK, edits::change(&state, caller.user_id, id.0, &if_match, &body.0).await?)
}

/// Deletes a task.
#[utoipa::path(tag = "tasks", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task's ULID or UUID")), responses(
    (status = 204, description = "Deleted"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's")))]
#[delete("/tasks/{id}")]
async fn delete_task(state: Data<AppState>, caller: AuthUser, id: PathId<TaskId>) -> Result<HttpResponse, ApiError> {
    let is_deleted = store::delete_task(&mut *state.db.get().await?, caller.user_id, id.0).await?;
    if is_deleted { Ok(HttpResponse::NoContent().finish()) } else { Err(NO_TASK) }
}
