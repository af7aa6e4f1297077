//! Accounts over HTTP: registration, one's own account, and everybody's for administrators.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::UserRow;
use super::types::{
    ClassicRegisterBody, DeleteMeBody, RegisterBody, RegisterResponse, UpdateMeBody, UpdateUserBody, UserResponse,
};
use super::{commands, queries};
use crate::auth::Auth;
use crate::auth::caller::{AuthAdmin, AuthUser};
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{AdminErrors, BodyErrors, Unavailable, UserErrors, VersionErrors};
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;
use crate::sessions::{SignInLimiter, SignInLimits};

/// This domain's routes. `/users/me` comes before `/users/{id}`, which would match it.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(register)
        .service(register_classic)
        .service(get_me)
        .service(update_me)
        .service(delete_me)
        .service(list_users)
        .service(update_user);
}

fn respond(request: &HttpRequest, user: UserRow) -> Result<HttpResponse, ApiError> {
    let updated_at = user.updated_at;
    etag::respond(request, StatusCode::OK, &UserResponse::from(user), updated_at)
}

/// Makes an account. `username` or `email` has to be there; either signs in.
#[utoipa::path(tag = "accounts", request_body(content = RegisterBody), responses(BodyErrors,
    (status = 201, body = RegisterResponse, description = "Made"),
    (status = 409, body = Problem, description = "The user name or the e-mail address is taken"),
    (status = 503, body = Problem, description = "Too many sign-ins at once, or the database is unavailable: try again")))]
#[post("/auth/register")]
async fn register(
    db: Data<DbPool>,
    auth: Data<Auth>,
    limits: SignInLimits,
    body: Json<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let user = commands::register(&db, &auth, &limits, body.0).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// Makes an account by the classic to-do contract: as `/auth/register`, but user name, e-mail address and password are all
/// required.
#[utoipa::path(tag = "accounts", request_body(content = ClassicRegisterBody), responses(
    (status = 201, body = RegisterResponse, description = "Made"),
    (status = "4XX", body = Problem, description = "As for /auth/register"),
    (status = 503, body = Problem, description = "As for /auth/register")))]
#[post("/register")]
async fn register_classic(
    db: Data<DbPool>,
    auth: Data<Auth>,
    limits: SignInLimits,
    body: Json<ClassicRegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let user = commands::register(&db, &auth, &limits, body.0.into()).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// One's own account.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(UserErrors, Unavailable,
    (status = 200, body = UserResponse, description = "The account", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/users/me")]
async fn get_me(request: HttpRequest, db: Data<DbPool>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    respond(&request, queries::find_own(&db, caller.user_id).await?)
}

/// Changes one's own account; what is left out stays. A new password, another user name and another e-mail address need
/// the current password; a new password ends all other sessions.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body(content = UpdateMeBody),
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(UserErrors, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = UserResponse, description = "Changed"),
    (status = 409, body = Problem, description = "The user name or the e-mail address is taken"),
    (status = 422, body = Problem, description = "Something in it is not valid, or the current password is missing or wrong")))]
#[patch("/users/me")]
async fn update_me(
    request: HttpRequest,
    db: Data<DbPool>,
    auth: Data<Auth>,
    limiter: Data<SignInLimiter>,
    caller: AuthUser,
    if_match: IfMatch,
    body: Json<UpdateMeBody>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, commands::change_own(&db, &auth, &limiter, caller, &if_match, body.0).await?)
}

/// Deletes one's own account with everything it owns: devices, and all they ever sent. It takes the current password.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body(content = DeleteMeBody),
    responses(UserErrors, BodyErrors, Unavailable,
    (status = 422, body = Problem, description = "The current password is missing or wrong"),
    (status = 204, description = "Deleted; all tokens of the account and of its devices stop working"),
    (status = 409, body = Problem, description = "The last administrator cannot leave")))]
#[delete("/users/me")]
async fn delete_me(
    db: Data<DbPool>,
    auth: Data<Auth>,
    limiter: Data<SignInLimiter>,
    caller: AuthUser,
    body: Json<DeleteMeBody>,
) -> Result<HttpResponse, ApiError> {
    commands::confirm_deletion(&db, &auth, &limiter, caller.user_id, body.0).await?;
    commands::delete(&db, &auth, caller.user_id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// All accounts, the oldest first. For administrators.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), params(PageQuery), responses(AdminErrors, Unavailable,
    (status = 200, body = [UserResponse], description = "A page of accounts",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 422, body = Problem, description = "A bad limit or cursor")))]
#[get("/users")]
async fn list_users(
    request: HttpRequest,
    db: HeavyDb,
    _caller: AuthAdmin,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = page.parse::<UserId>()?;
    let users = queries::list(&db, &page).await?;
    Ok(page.respond(&request, users, |user| user.id))
}

/// Changes an account; what is left out stays. For administrators. A demotion and a new password
/// end all sessions of the account.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body(content = UpdateUserBody),
    params(("id" = String, Path, description = "The account's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(AdminErrors, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = UserResponse, description = "Changed"),
    (status = 404, body = Problem, description = "There is no such account"),
    (status = 409, body = Problem, description = "A name is taken, or it is the last administrator")))]
#[patch("/users/{id}")]
async fn update_user(
    request: HttpRequest,
    db: Data<DbPool>,
    auth: Data<Auth>,
    caller: AuthAdmin,
    id: PathId<UserId>,
    if_match: IfMatch,
    body: Json<UpdateUserBody>,
) -> Result<HttpResponse, ApiError> {
    let user = commands::change_other(&db, &auth, caller.0.user_id, id.0, &if_match, body.0).await?;
    tracing::info!(administrator = %caller.0.user_id, user = %user.id, "an administrator changed an account");
    respond(&request, user)
}
