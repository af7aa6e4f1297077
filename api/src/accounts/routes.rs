//! Registration and sessions over HTTP, and the table of this domain's routes.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::{CookieSessionResponse, RegisterResponse, TokenResponse};
use super::body::{LoginBody, RefreshBody, RegisterBody};
use super::cookie_session::{self, SessionQuery, SignIn};
use super::login_limits::LoginLimits;
use super::{sessions, user_routes, users};
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::form::JsonOrForm;
use crate::http::extract::json::Json;
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
async fn register(
    state: Data<AppState>,
    limits: LoginLimits,
    body: Json<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let user = users::register(&state, &limits, body.0).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// A shorter name for `/auth/register`.
#[utoipa::path(tag = "accounts", request_body(content = RegisterBody), responses(
    (status = 201, body = RegisterResponse, description = "Made"),
    (status = "4XX", body = Problem, description = "As for /auth/register"),
    (status = 503, body = Problem, description = "As for /auth/register")))]
#[post("/register")]
async fn register_short(
    state: Data<AppState>,
    limits: LoginLimits,
    body: Json<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let user = users::register(&state, &limits, body.0).await?;
    Ok(HttpResponse::Created().json(RegisterResponse::from(user)))
}

/// Signs in. An unknown name and a wrong password get the same answer, in the same time.
///
/// For a web page: with `session=cookie` the tokens are set as cookies that no script can read, and the answer is
/// `{"token_type": "cookie", "expires_in": 900, "csrf_token": "…"}`. What then changes something (all but GET) has to
/// bring that token in `X-CSRF-Token`.
#[utoipa::path(tag = "accounts", params(SessionQuery),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
    (status = 200, description = "Signed in",
        content((TokenResponse = "application/json"), (CookieSessionResponse = "application/json"))),
    (status = 400, body = Problem, description = "Neither JSON nor a form"),
    (status = 401, body = Problem, description = "The name or the password is not right"),
    (status = 403, body = Problem, description = "A page of another origin wants a cookie"),
    (status = 422, body = Problem, description = "Something is missing, or has a wrong type"),
    (status = 429, body = Problem, description = "Too many sign-ins: `limit` names the limit, Retry-After says when"),
    (status = 503, body = Problem, description = "Too many sign-ins at once, or the database is away: try again")))]
#[post("/auth/login")]
async fn login(sign_in: SignIn, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    sign_in.with(body.0).await
}

/// A shorter name for `/auth/login`.
#[utoipa::path(tag = "accounts", params(SessionQuery),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
    (status = 200, body = TokenResponse, description = "Signed in"),
    (status = "4XX", body = Problem, description = "As for /auth/login"),
    (status = 503, body = Problem, description = "As for /auth/login")))]
#[post("/login")]
async fn login_short(sign_in: SignIn, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    sign_in.with(body.0).await
}

/// Exchanges a refresh token for new tokens. Each counts once: using one again ends its whole session, since somebody
/// else may have it.
///
/// A page that is signed in by cookie sends no body, but `X-CSRF-Token`; its new tokens are cookies again.
#[utoipa::path(tag = "accounts", request_body(content = Option<RefreshBody>), responses(
    (status = 200, body = TokenResponse, description = "Exchanged; the old refresh token is used up"),
    (status = 401, body = Problem, description = "Unknown, expired, used before, or its session has ended"),
    (status = 403, body = Problem, description = "By cookie, and without its CSRF token"),
    (status = 422, body = Problem, description = "There is no refresh token in it, and no cookie"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[post("/auth/refresh")]
async fn refresh(
    request: HttpRequest,
    state: Data<AppState>,
    body: Json<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    match body.0.refresh_token {
        Some(token) => Ok(cookie_session::answer_tokens(sessions::refresh(&state, &token).await?)),
        None => cookie_session::refresh(&request, &state).await,
    }
}

/// Signs out: the access token and its refresh tokens stop working at once, everywhere. Cookies are cleared; the one
/// with the refresh token is enough.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 204, description = "Signed out"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "By cookie, and without its CSRF token"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[post("/auth/logout")]
async fn logout(
    request: HttpRequest,
    state: Data<AppState>,
    caller: Result<AuthUser, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let session = match caller {
        Ok(caller) => caller.session_id,
        Err(refused) => cookie_session::find(&request, &state).await?.ok_or(refused)?,
    };
    sessions::sign_out(&state, session).await?;
    Ok(cookie_session::answer_signed_out(&request, &state))
}
