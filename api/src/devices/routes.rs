//! Devices over HTTP, and the table of this domain's routes.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{self, Change};
use super::registry::DeviceRegistry;
use super::store::DeviceFilter;
use super::types::{DeviceChanges, DeviceResponse, DeviceSettings, NewDeviceResponse, SearchText};
use super::{credentials, queries, servers, sheet};
use crate::auth::Auth;
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, FieldError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{BodyErrors, NotFound, Unavailable, UserErrors, VersionErrors};
use crate::presence::PresenceStatus;

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

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeviceQuery {
    /// Part of the name or of the serial number, whatever its case.
    q: Option<String>,
    /// `online` or `offline`, as they are now.
    #[param(inline, value_type = Option<PresenceStatus>)]
    status: Option<String>,
    /// The location, whole, whatever its case.
    location: Option<String>,
}

impl DeviceQuery {
    fn into_filter(self) -> Result<DeviceFilter, ApiError> {
        let mut errors = Vec::new();
        let is_online = match self.status.as_deref() {
            None | Some("") => None,
            Some("online") => Some(true),
            Some("offline") => Some(false),
            Some(_) => {
                errors.push(FieldError::new("status", "invalid", "must be online or offline"));
                None
            }
        };
        let mut text = |name, value: Option<String>| {
            let text = SearchText::try_from(value.filter(|text| !text.trim().is_empty())?);
            text.map_err(|error| errors.push(FieldError::new(name, "invalid", error))).ok()
        };
        let (text, location) = (text("q", self.q), text("location", self.location));
        let filter = DeviceFilter { only_servers: false, text, location, is_online };
        if errors.is_empty() { Ok(filter) } else { Err(ApiError::Validation(errors)) }
    }
}

/// Registers a device. Its first secret is in the answer, this once.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceSettings),
    responses(UserErrors, BodyErrors, Unavailable,
    (status = 201, body = NewDeviceResponse, description = "Registered", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 409, body = Problem, description = "Another device of yours has this serial number")))]
#[post("/devices")]
async fn create_device(
    request: HttpRequest,
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    let (device, credential) = commands::register(&db, &clock, caller.user_id, &body.0).await?;
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
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    query: Query<DeviceQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<DeviceId>()?, query.into_inner().into_filter()?);
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
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    respond(&request, &queries::find(&db, &clock, caller.user_id, id.0).await?)
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
    caller: AuthUser,
    id: PathId<DeviceId>,
    if_match: IfMatch,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    let change = Change::Replace(body.0);
    respond(&request, &commands::change(&db, &clock, &registry, caller.user_id, id.0, &if_match, change).await?)
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
    caller: AuthUser,
    id: PathId<DeviceId>,
    if_match: IfMatch,
    body: Json<DeviceChanges>,
) -> Result<HttpResponse, ApiError> {
    let change = Change::Update(body.0);
    respond(&request, &commands::change(&db, &clock, &registry, caller.user_id, id.0, &if_match, change).await?)
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
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    commands::delete(&db, &auth, &registry, caller.user_id, id.0, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn respond(request: &HttpRequest, device: &DeviceResponse) -> Result<HttpResponse, ApiError> {
    etag::respond(request, StatusCode::OK, device, device.updated_at)
}
