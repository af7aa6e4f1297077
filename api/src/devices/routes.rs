//! Devices over HTTP, and the table of this domain's routes.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, delete, get, patch, post, put};
use futures_util::future::LocalBoxFuture;
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{self, Change};
use super::list_query::DeviceQuery;
use super::quota::DeviceQuota;
use super::registry::DeviceRegistry;
use super::types::{DeviceChanges, DeviceResponse, DeviceSettings, NewDeviceResponse};
use super::{credentials, queries, servers, sheet};
use crate::auth::Auth;
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{BodyErrors, NotFound, Unavailable, UserErrors, VersionErrors};
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes
        .configure(sheet::routes::configure)
        .service(create_device)
        .service(list_devices)
        .service(get_device)
        .service(replace_device)
        .service(update_device)
        .service(delete_device)
        .configure(credentials::routes::configure)
        .configure(servers::routes::configure);
}

/// A device of the caller's, if there is one of this id.
struct OwnDevice {
    owner: UserId,
    id: DeviceId,
}

impl FromRequest for OwnDevice {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = <(AuthUser, PathId<DeviceId>)>::from_request(request, payload);
        Box::pin(async move {
            let (caller, id) = parts.await?;
            Ok(Self { owner: caller.user_id, id: id.0 })
        })
    }
}

/// Registers a device. Its first secret is in the answer, this once.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceSettings),
    responses(UserErrors, BodyErrors, Unavailable,
    (status = 201, body = NewDeviceResponse, description = "Registered", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 409, body = Problem, description = "Another device of yours has this serial number, or the account has \
        as many devices as it may (too_many_devices)")))]
#[post("/devices")]
async fn create_device(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    quota: Data<DeviceQuota>,
    caller: AuthUser,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    let (device, credential) = commands::register(&db, &clock, **quota, caller.user_id, &body.0).await?;
    let (id, updated_at) = (device.id, device.updated_at);
    let body = NewDeviceResponse { device, credential };
    let mut response = etag::respond(&request, StatusCode::CREATED, &body, updated_at)?;
    if let Ok(location) = HeaderValue::from_str(&format!("{API_PREFIX}/devices/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One's own devices (servers are among them), the oldest first.
#[utoipa::path(tag = "devices", security(("bearer" = [])), params(DeviceQuery, PageQuery),
    responses(UserErrors, Unavailable,
    (status = 200, body = [DeviceResponse], description = "A page of devices",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 422, body = Problem, description = "A bad filter, limit or cursor")))]
#[get("/devices")]
async fn list_devices(
    request: HttpRequest,
    db: HeavyDb,
    clock: Data<Clock>,
    caller: AuthUser,
    query: Query<DeviceQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<DeviceId>()?, query.parse()?);
    let devices = queries::list(&db, &clock, caller.user_id, &filter, &page).await?;
    Ok(page.respond(&request, devices, |device| device.id))
}

/// A device, with the newest of what it sent.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")),
    responses(UserErrors, NotFound, Unavailable,
    (status = 200, body = DeviceResponse, description = "The device", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match")))]
#[get("/devices/{id}")]
async fn get_device(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    device: OwnDevice,
) -> Result<HttpResponse, ApiError> {
    respond(&request, &queries::find(&db, &clock, device.owner, device.id).await?)
}

/// Describes a device anew: what is left out is cleared, or gets its default.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceSettings),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(UserErrors, NotFound, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = DeviceResponse, description = "Changed"),
    (status = 409, body = Problem, description = "Another device of yours has this serial number")))]
#[put("/devices/{id}")]
async fn replace_device(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    registry: Data<DeviceRegistry>,
    device: OwnDevice,
    if_match: IfMatch,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    let change = Change::Replace(body.0);
    respond(&request, &commands::change(&db, &clock, &registry, device.owner, device.id, &if_match, change).await?)
}

/// Changes some of a device: what is left out stays, `null` clears.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceChanges),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses(UserErrors, NotFound, VersionErrors, BodyErrors, Unavailable,
    (status = 200, body = DeviceResponse, description = "Changed"),
    (status = 409, body = Problem, description = "Another device of yours has this serial number")))]
#[patch("/devices/{id}")]
async fn update_device(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    registry: Data<DeviceRegistry>,
    device: OwnDevice,
    if_match: IfMatch,
    body: Json<DeviceChanges>,
) -> Result<HttpResponse, ApiError> {
    let change = Change::Update(body.0);
    respond(&request, &commands::change(&db, &clock, &registry, device.owner, device.id, &if_match, change).await?)
}

/// Deletes a device with all that it ever sent; its tokens stop working.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")),
    responses(UserErrors, NotFound, Unavailable,
    (status = 204, description = "Deleted")))]
#[delete("/devices/{id}")]
async fn delete_device(
    db: Data<DbPool>,
    auth: Data<Auth>,
    registry: Data<DeviceRegistry>,
    device: OwnDevice,
) -> Result<HttpResponse, ApiError> {
    commands::delete(&db, &auth, &registry, device.owner, device.id, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn respond(request: &HttpRequest, device: &DeviceResponse) -> Result<HttpResponse, ApiError> {
    etag::respond(request, StatusCode::OK, device, device.updated_at)
}
