//! Registration and sessions over HTTP, and the table of this domain's routes.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::{RegisterResponse, TokenResponse};
use super::body::{LoginBody, RefreshBody, RegisterBody};
use super::{sessions, user_routes, users};
use crate::error::{ApiError, Problem};
use crate::extract::auth::AuthUser;
use crate::extract::form::JsonOrForm;
use crate::extract::json::Json;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .service(register)
        .service(register_short)
        .service(login)
        .service(login_short)
        .service(refresh)
        .service(logout)
        .configure(user_routes::configure);
}

/// Makes an account. `username` or `email` has to be there; either signs in.
#[utoipa::path(tag = "accounts", request_body(content = RegisterBody), responses(
    (status = 201, body = RegisterResponse, description = "Made"),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 409, body = Problem, description = "The user name or the e-mail address is taken"),
    (status = 422, body = Problem, description = "Something in it is not valid"),
    (status = 503, body = Problem, description = "Too many sign-ins at once, or the database is away: try again")))]
#[post("/auth/register")]
async fn register(state: Data<AppState>, body: Json<RegisterBody>) -> Result<HttpResponse, ApiError> {
    let user = users::register(&state, body.0).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// A shorter name for `/auth/register`.
#[utoipa::path(tag = "accounts", request_body(content = RegisterBody), responses(
    (status = 201, body = RegisterResponse, description = "Made"),
    (status = "4XX", body = Problem, description = "As for /auth/register"),
    (status = 503, body = Problem, description = "As for /auth/register")))]
#[post("/register")]
async fn register_short(state: Data<AppState>, body: Json<RegisterBody>) -> Result<HttpResponse, ApiError> {
    let user = users::register(&state, body.0).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// Signs in. An unknown name and a wrong password get the same answer, in the same time.
#[utoipa::path(tag = "accounts",
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
    (status = 200, body = TokenResponse, description = "Signed in"),
    (status = 400, body = Problem, description = "Neither JSON nor a form"),
    (status = 401, body = Problem, description = "The name or the password is not right"),
    (status = 422, body = Problem, description = "Something is missing, or has a wrong type"),
    (status = 503, body = Problem, description = "Too many sign-ins at once, or the database is away: try again")))]
#[post("/auth/login")]
async fn login(state: Data<AppState>, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sessions::sign_in(&state, body.0).await?))
}

/// A shorter name for `/auth/login`.
#[utoipa::path(tag = "accounts",
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
    (status = 200, body = TokenResponse, description = "Signed in"),
    (status = "4XX", body = Problem, description = "As for /auth/login"),
    (status = 503, body = Problem, description = "As for /auth/login")))]
#[post("/login")]
async fn login_short(state: Data<AppState>, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sessions::sign_in(&state, body.0).await?))
}

/// Exchanges a refresh token for new tokens. Each counts once: using one again ends its whole session, since somebody
/// else may have it.
#[utoipa::path(tag = "accounts", request_body(content = RefreshBody), responses(
    (status = 200, body = TokenResponse, description = "Exchanged; the old refresh token is used up"),
    (status = 401, body = Problem, description = "Unknown, expired, used before, or its session has ended"),
    (status = 422, body = Problem, description = "There is no refresh token in it"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[post("/auth/refresh")]
async fn refresh(state: Data<AppState>, body: Json<RefreshBody>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(sessions::refresh(&state, body.0).await?))
}

/// Signs out: the access token and its refresh tokens stop working at once, everywhere.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 204, description = "Signed out"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[post("/auth/logout")]
async fn logout(state: Data<AppState>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    sessions::sign_out(&state, caller.session_id).await?;
    Ok(HttpResponse::NoContent().finish())
}
