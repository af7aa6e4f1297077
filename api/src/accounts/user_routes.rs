//! Accounts over HTTP: one's own, and everybody's for administrators.

use crate::ids::UserId;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch};
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::UserResponse;
use super::body::{UpdateMeBody, UpdateUserBody};
use super::store::UserRow;
use super::{store, users};
use crate::auth::caller::{ACCOUNT_GONE, AuthAdmin, AuthUser};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// The routes of accounts. `/users/me` comes before `/users/{id}`, which would match it.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_me).service(update_me).service(delete_me).service(list_users).service(update_user);
}

fn answer(request: &HttpRequest, user: UserRow) -> Result<HttpResponse, ApiError> {
    let updated_at = user.updated_at;
    etag::respond(request, StatusCode::OK, &UserResponse::from(user), updated_at)
}

/// One's own account.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 200, body = UserResponse, description = "The account", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token")))]
#[get("/users/me")]
async fn get_me(request: HttpRequest, state: Data<AppState>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    let user = store::find_user(&mut *state.db.get().await?, caller.user_id).await?.ok_or(ACCOUNT_GONE)?;
    answer(&request, user)
}

/// Changes one's own account; what is left out stays. A new password needs the current one, and ends all other
/// sessions.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body(content = UpdateMeBody),
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = UserResponse, description = "Changed"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 409, body = Problem, description = "The user name or the e-mail address is taken"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the current password is wrong")))]
#[patch("/users/me")]
async fn update_me(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    if_match: IfMatch,
    body: Json<UpdateMeBody>,
) -> Result<HttpResponse, ApiError> {
    answer(&request, users::change_own(&state, caller, &if_match, body.0).await?)
}

/// Deletes one's own account with everything it owns: devices, and all they ever sent.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 204, description = "Deleted; all tokens of the account and of its devices stop working"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 409, body = Problem, description = "The last administrator cannot leave")))]
#[delete("/users/me")]
async fn delete_me(state: Data<AppState>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    users::delete(&state, caller.user_id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// All accounts, the oldest first. For administrators.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), params(PageQuery), responses(
    (status = 200, body = [UserResponse], description = "A page of accounts",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 422, body = Problem, description = "A bad limit or cursor")))]
#[get("/users")]
async fn list_users(
    request: HttpRequest,
    state: Data<AppState>,
    _caller: AuthAdmin,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = page.parse::<UserId>()?;
    let rows = store::list_users(&mut *state.db.get().await?, page.after, page.fetch_limit()).await?;
    let users: Vec<_> = rows.into_iter().map(UserResponse::from).collect();
    Ok(page.respond(&request, users, |user| user.id))
}

/// Changes an account; what is left out stays. For administrators. Taking the power away from one, and a new password,
/// end all sessions of the account.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body(content = UpdateUserBody),
    params(("id" = String, Path, description = "The account's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = UserResponse, description = "Changed"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 404, body = Problem, description = "There is no such account"),
    (status = 409, body = Problem, description = "A name is taken, or it is the last administrator"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match"),
    (status = 422, body = Problem, description = "Something in it is not valid")))]
#[patch("/users/{id}")]
async fn update_user(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthAdmin,
    id: PathId<UserId>,
    if_match: IfMatch,
    body: Json<UpdateUserBody>,
) -> Result<HttpResponse, ApiError> {
    let user = users::change_other(&state, id.0, &if_match, body.0).await?;
    tracing::info!(administrator = %caller.0.user_id, user = %user.id, "an administrator changed an account");
    answer(&request, user)
}
