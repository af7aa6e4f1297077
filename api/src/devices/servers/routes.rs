//! Servers over HTTP.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::commands as devices;
use super::super::quota::DeviceQuota;
use super::super::registry::DeviceRegistry;
use super::types::{ServerBody, ServerResponse};
use super::{commands, queries};
use crate::auth::Auth;
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag;
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{BodyErrors, Unavailable, UserErrors};
use crate::rate_limit::HeavyDb;

/// The routes of servers.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(create_server).service(list_servers).service(get_server).service(delete_server);
}

/// Registers a server. Its ULID is enough to send data for it (`ingest_auth: "open"`, which PATCH /devices/{id}
/// changes); it counts as offline after 10 s.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = ServerBody),
    responses(UserErrors, BodyErrors, Unavailable,
    (status = 201, body = ServerResponse, description = "Registered"),
    (status = 409, body = Problem, description = "The account has as many devices as it may (too_many_devices)"),
    (status = 422, body = Problem, description = "No name, or a bad one")))]
#[post("/servers")]
async fn create_server(
    db: Data<DbPool>,
    clock: Data<Clock>,
    quota: Data<DeviceQuota>,
    caller: AuthUser,
    body: Json<ServerBody>,
) -> Result<HttpResponse, ApiError> {
    let server = commands::register(&db, &clock, **quota, caller.user_id, body.0.server_name).await?;
    Ok(HttpResponse::Created().json(server))
}

/// One's own servers, the oldest first.
#[utoipa::path(tag = "devices", security(("bearer" = [])), params(PageQuery), responses(UserErrors, Unavailable,
    (status = 200, body = [ServerResponse], description = "A page of servers",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 422, body = Problem, description = "A bad limit or cursor")))]
#[get("/servers")]
async fn list_servers(
    request: HttpRequest,
    db: HeavyDb,
    clock: Data<Clock>,
    caller: AuthUser,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = page.parse::<DeviceId>()?;
    let servers = queries::list(&db, &clock, caller.user_id, &page).await?;
    Ok(page.respond(&request, servers, |server| server.server_ulid))
}

/// A server.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The server's ULID or UUID")), responses(UserErrors, Unavailable,
    (status = 200, body = ServerResponse, description = "The server", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown, no server, or somebody else's")))]
#[get("/servers/{id}")]
async fn get_server(
    request: HttpRequest,
    db: Data<DbPool>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    let server = queries::find(&db, caller.user_id, id.0).await?;
    let updated_at = server.updated_at;
    etag::respond(&request, StatusCode::OK, &ServerResponse::from(server), updated_at)
}

/// Deletes a server with all that it ever sent.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The server's ULID or UUID")), responses(UserErrors, Unavailable,
    (status = 204, description = "Deleted"),
    (status = 404, body = Problem, description = "Unknown, no server, or somebody else's")))]
#[delete("/servers/{id}")]
async fn delete_server(
    db: Data<DbPool>,
    auth: Data<Auth>,
    registry: Data<DeviceRegistry>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    devices::delete(&db, &auth, &registry, caller.user_id, id.0, true).await?;
    Ok(HttpResponse::NoContent().finish())
}
