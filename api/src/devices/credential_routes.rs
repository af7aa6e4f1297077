//! Devices' secrets and tokens over HTTP.

use crate::ids::CredentialId;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, post};
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::{CredentialResponse, DeviceTokenResponse, NewCredentialResponse};
use super::body::{CredentialBody, DeviceLoginBody};
use super::credentials;
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::extract::path::{PathId, PathIds};
use crate::state::AppState;

/// The routes of credentials.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(create_credential).service(list_credentials).service(delete_credential).service(login_device);
}

/// Makes a new secret, shown this once. The older ones live on for `grace_s`; then they, and every token made from
/// them, stop working within 5 s.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = CredentialBody),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 201, body = NewCredentialResponse, description = "Made"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 409, body = Problem, description = "Too many secrets still count"),
    (status = 422, body = Problem, description = "A bad grace")))]
#[post("/devices/{id}/credentials")]
async fn create_credential(
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
    body: Json<CredentialBody>,
) -> Result<HttpResponse, ApiError> {
    let credential = credentials::replace(&state, caller.user_id, id.0, body.0).await?;
    Ok(HttpResponse::Created().json(credential))
}

/// The secrets of a device that still count, without the secrets themselves.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 200, body = [CredentialResponse], description = "The oldest first"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's")))]
#[get("/devices/{id}/credentials")]
async fn list_credentials(
    state: Data<AppState>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    let rows = credentials::list(&state, caller.user_id, id.0).await?;
    let credentials: Vec<_> = rows.into_iter().map(CredentialResponse::from).collect();
    Ok(HttpResponse::Ok().json(credentials))
}

/// Deletes a secret; it, and every token made from it, stop working within 5 s.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("credential_id" = String, Path, description = "The secret's own id")), responses(
    (status = 204, description = "Deleted"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "No such secret, unknown device, or somebody else's")))]
#[delete("/devices/{id}/credentials/{credential_id}")]
async fn delete_credential(
    state: Data<AppState>,
    caller: AuthUser,
    ids: PathIds<DeviceId, CredentialId>,
) -> Result<HttpResponse, ApiError> {
    let PathIds(device, credential) = ids;
    credentials::delete(&state, caller.user_id, device, credential).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Signs a device in: exchanges one of its secrets for an access token. An unknown device and a wrong secret get the
/// same answer.
#[utoipa::path(tag = "devices", request_body(content = DeviceLoginBody), responses(
    (status = 200, body = DeviceTokenResponse, description = "Signed in"),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "The device or its secret is not right"),
    (status = 422, body = Problem, description = "Something is missing, or has a wrong type"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[post("/auth/device")]
async fn login_device(state: Data<AppState>, body: Json<DeviceLoginBody>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(credentials::sign_in(&state, body.0).await?))
}
