//! Sign-in, refresh and sign-out over HTTP.

use actix_web::dev::Payload;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, post};
use futures_util::future::LocalBoxFuture;
use utoipa_actix_web::service_config::ServiceConfig;

use super::sign_in_limits::SignInLimits;
use super::types::{Keeping, LoginBody, RefreshBody, SessionQuery, SessionResponse, SessionTokens, TokenResponse};
use super::{commands, cookies};
use crate::auth::Auth;
use crate::auth::caller::AuthUser;
use crate::config::WebConfig;
use crate::db::SignInDb;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::form::JsonOrForm;
use crate::http::extract::json::Json;
use crate::http::middleware::check_same_site;
use crate::http::responses::{BodyErrors, Unavailable};

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(login).service(login_short).service(refresh).service(logout);
}

/// What a sign-in needs of its request besides the body.
struct SignIn {
    request: HttpRequest,
    db: Data<SignInDb>,
    auth: Data<Auth>,
    web: Data<WebConfig>,
    limits: SignInLimits,
    query: Query<SessionQuery>,
}

impl FromRequest for SignIn {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        type Parts = (Data<SignInDb>, Data<Auth>, Data<WebConfig>, SignInLimits, Query<SessionQuery>);
        let parts = Parts::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let (db, auth, web, limits, query) = parts.await?;
            Ok(Self { request, db, auth, web, limits, query })
        })
    }
}

impl SignIn {
    async fn respond(self, body: LoginBody) -> Result<HttpResponse, ApiError> {
        let keeping = self.query.keeping()?;
        if keeping == Keeping::Cookie {
            check_same_site(self.request.head(), &self.web.cors_allowed_origins)?;
        }
        let tokens = commands::sign_in(&self.db, &self.auth, &self.limits, body).await?;
        match keeping {
            Keeping::Cookie => cookies::respond_signed_in(&self.request, &self.auth, &self.web, &tokens),
            Keeping::Token => Ok(respond_tokens(tokens)),
        }
    }
}

/// Signs in. An unknown name and a wrong password get the same answer, in the same time.
///
/// For a web page: with `session=cookie` the tokens are set as cookies that no script can read, and the answer is
/// `{"token_type": "cookie", "expires_in": 900, "csrf_token": "…"}`. What then changes something (all but GET) has to
/// bring that token in `X-CSRF-Token`.
#[utoipa::path(tag = "accounts", params(SessionQuery),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(BodyErrors, Unavailable,
    (status = 200, body = SessionResponse, description = "Signed in"),
    (status = 400, body = Problem, description = "Neither JSON nor a form"),
    (status = 401, body = Problem, description = "The name or the password is not right"),
    (status = 403, body = Problem, description = "A page of another origin wants a cookie"),
    (status = 429, body = Problem, description = "Too many sign-ins: `limit` names the limit, Retry-After says when")))]
#[post("/auth/login")]
async fn login(sign_in: SignIn, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    sign_in.respond(body.0).await
}

/// A shorter name for `/auth/login`.
#[utoipa::path(tag = "accounts", params(SessionQuery),
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses(
    (status = 200, body = SessionResponse, description = "Signed in"),
    (status = "4XX", body = Problem, description = "As for /auth/login"),
    (status = 503, body = Problem, description = "As for /auth/login")))]
#[post("/login")]
async fn login_short(sign_in: SignIn, body: JsonOrForm<LoginBody>) -> Result<HttpResponse, ApiError> {
    sign_in.respond(body.0).await
}

/// Exchanges a refresh token for new tokens. The newest token's predecessor is answered again for `REFRESH_REUSE_S` (30 s),
/// with that newest token: an answer can be lost, and two tabs can ask at once. Using an older one ends its whole session,
/// since somebody else may have it.
///
/// A page that is signed in by cookie sends no body, but `X-CSRF-Token`; its new tokens are cookies again.
#[utoipa::path(tag = "accounts", request_body(content = Option<RefreshBody>), responses(BodyErrors, Unavailable,
    (status = 200, body = SessionResponse, description = "Exchanged; the old refresh token is used up"),
    (status = 401, body = Problem, description = "Unknown, expired, older than the newest one's predecessor, or its session has ended"),
    (status = 403, body = Problem, description = "By cookie, and without its CSRF token"),
    (status = 422, body = Problem, description = "There is no refresh token in it, and no cookie")))]
#[post("/auth/refresh")]
async fn refresh(
    request: HttpRequest,
    db: Data<SignInDb>,
    auth: Data<Auth>,
    web: Data<WebConfig>,
    body: Json<RefreshBody>,
) -> Result<HttpResponse, ApiError> {
    match body.0.refresh_token {
        Some(token) => Ok(respond_tokens(commands::refresh(&db, &auth, &token).await?)),
        None => {
            let tokens = cookies::refresh(&db, &auth, &request).await?;
            cookies::respond_signed_in(&request, &auth, &web, &tokens)
        }
    }
}

/// Signs out: the access token and its refresh tokens stop working at once, everywhere. Cookies are cleared; the one
/// with the refresh token is enough.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(Unavailable,
    (status = 204, description = "Signed out"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "By cookie, and without its CSRF token")))]
#[post("/auth/logout")]
async fn logout(
    request: HttpRequest,
    db: Data<SignInDb>,
    auth: Data<Auth>,
    web: Data<WebConfig>,
    caller: Result<AuthUser, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let session = match caller {
        Ok(caller) => caller.session_id,
        Err(refused) => cookies::find(&db, &web, &request).await?.ok_or(refused)?,
    };
    commands::sign_out(&db, &auth, session).await?;
    Ok(cookies::respond_signed_out(&request, &web))
}

/// Tokens in the body.
fn respond_tokens(tokens: SessionTokens) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(TokenResponse::from(tokens))
}
