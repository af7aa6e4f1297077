//! Devices over HTTP, and the table of this domain's routes.

use crate::ids::UserId;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put};
use pulso_shared::ids::DeviceId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::{DeviceResponse, NewDeviceResponse};
use super::body::{DeviceBody, DeviceChangesBody};
use super::lifecycle::{self, Change};
use super::store::DeviceFilter;
use super::types::{DeviceChanges, DeviceSettings, SearchText};
use super::{credential_routes, deletion, server_routes, sheet, views};
use crate::auth::caller::AuthUser;
use crate::http::API_PREFIX;
use crate::http::error::{ApiError, FieldError, Problem};
use crate::http::extract::etag::{self, IfMatch};
use crate::http::extract::json::Json;
use crate::http::extract::page::PageQuery;
use crate::http::extract::path::PathId;
use crate::presence::PresenceStatus;
use crate::state::AppState;

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
        .configure(credential_routes::configure)
        .configure(server_routes::configure);
}

/// Which devices are wanted.
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
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceBody), responses(
    (status = 201, body = NewDeviceResponse, description = "Registered", headers(
        ("Location" = String, description = "Its address"), ("ETag" = String, description = "Its version"))),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 409, body = Problem, description = "Another device of yours has this serial number"),
    (status = 422, body = Problem, description = "Something in it is not valid")))]
#[post("/devices")]
async fn create_device(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    let (device, credential) = lifecycle::register(&state, caller.user_id, &body.0).await?;
    let (id, updated_at) = (device.id, device.updated_at);
    let body = NewDeviceResponse { device, credential };
    let mut response = etag::respond(&request, StatusCode::CREATED, &body, updated_at)?;
    if let Ok(location) = HeaderValue::from_str(&format!("{API_PREFIX}/devices/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One's own devices (servers are among them), the oldest first.
#[utoipa::path(tag = "devices", security(("bearer" = [])), params(DeviceQuery, PageQuery), responses(
    (status = 200, body = [DeviceResponse], description = "A page of devices",
        headers(("Link" = String, description = "The next page, while there is one"))),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 422, body = Problem, description = "A bad filter, limit or cursor")))]
#[get("/devices")]
async fn list_devices(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    query: Query<DeviceQuery>,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let (page, filter) = (page.parse::<DeviceId>()?, query.into_inner().into_filter()?);
    let devices = views::list(&state, caller.user_id, &filter, &page).await?;
    Ok(page.respond(&request, devices, |device| device.id))
}

/// A device, with the newest of what it sent.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 200, body = DeviceResponse, description = "The device", headers(("ETag" = String, description = "Its version"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's")))]
#[get("/devices/{id}")]
async fn get_device(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    answer(&request, &views::find(&state, caller.user_id, id.0).await?)
}

/// Describes a device anew: what is left out is cleared, or gets its default.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceBody),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = DeviceResponse, description = "Changed"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's"),
    (status = 409, body = Problem, description = "Another device of yours has this serial number"),
    (status = 412, body = Problem, description = "Changed since the version in If-Match"),
    (status = 422, body = Problem, description = "Something in it is not valid")))]
#[put("/devices/{id}")]
async fn replace_device(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
    if_match: IfMatch,
    body: Json<DeviceSettings>,
) -> Result<HttpResponse, ApiError> {
    change(&request, &state, caller.user_id, id.0, &if_match, Change::Replace(body.0)).await
}

/// Changes some of a device: what is left out stays, `null` clears.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = DeviceChangesBody),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")), responses(
    (status = 200, body = DeviceResponse, description = "Changed"),
    (status = "4XX", body = Problem, description = "As for PUT")))]
#[patch("/devices/{id}")]
async fn update_device(
    request: HttpRequest,
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
    if_match: IfMatch,
    body: Json<DeviceChanges>,
) -> Result<HttpResponse, ApiError> {
    change(&request, &state, caller.user_id, id.0, &if_match, Change::Update(body.0)).await
}

/// Deletes a device with all that it ever sent; its tokens stop working.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 204, description = "Deleted"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown, or somebody else's")))]
#[delete("/devices/{id}")]
async fn delete_device(
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    deletion::delete(&state, caller.user_id, id.0, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(
    request: &HttpRequest,
    state: &AppState,
    owner: UserId,
    id: DeviceId,
    if_match: &IfMatch,
    change: Change,
) -> Result<HttpResponse, ApiError> {
    answer(request, &lifecycle::change(state, owner, id, if_match, change).await?)
}

fn answer(request: &HttpRequest, device: &DeviceResponse) -> Result<HttpResponse, ApiError> {
    etag::respond(request, StatusCode::OK, device, device.updated_at)
}
