//! Devices' secrets and tokens over HTTP.

use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, post};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::types::{CredentialBody, CredentialResponse, DeviceLoginBody, DeviceTokenResponse, NewCredentialResponse};
use super::{commands, queries};
use crate::auth::Auth;
use crate::auth::caller::AuthUser;
use crate::db::{DbPool, SignInDb};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::extract::path::{PathId, PathIds};
use crate::http::responses::{BodyErrors, NotFound, Unavailable, UserErrors};
use crate::ids::CredentialId;

/// The routes of credentials.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(create_credential).service(list_credentials).service(delete_credential).service(login_device);
}

/// Makes a new secret, shown this once. The older ones stay valid for `grace_s`; then they, and every token made from
/// them, stop working within 5 s.
#[utoipa::path(tag = "devices", security(("bearer" = [])), request_body(content = Option<CredentialBody>),
    params(("id" = String, Path, description = "The device's ULID or UUID")),
    responses(UserErrors, NotFound, BodyErrors, Unavailable,
    (status = 201, body = NewCredentialResponse, description = "Made"),
    (status = 409, body = Problem, description = "Too many secrets are valid"),
    (status = 422, body = Problem, description = "A bad grace")))]
#[post("/devices/{id}/credentials")]
async fn create_credential(
    db: Data<DbPool>,
    auth: Data<Auth>,
    caller: AuthUser,
    id: PathId<DeviceId>,
    body: Json<CredentialBody>,
) -> Result<HttpResponse, ApiError> {
    let credential = commands::replace(&db, &auth, caller.user_id, id.0, body.0).await?;
    Ok(HttpResponse::Created().json(credential))
}

/// The valid secrets of a device, without the secrets themselves.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")),
    responses(UserErrors, NotFound, Unavailable,
    (status = 200, body = [CredentialResponse], description = "The oldest first")))]
#[get("/devices/{id}/credentials")]
async fn list_credentials(
    db: Data<DbPool>,
    clock: Data<Clock>,
    caller: AuthUser,
    id: PathId<DeviceId>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(queries::list(&db, &clock, caller.user_id, id.0).await?))
}

/// Deletes a secret; it, and every token made from it, stop working within 5 s.
#[utoipa::path(tag = "devices", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"),
        ("credential_id" = String, Path, description = "The secret's own id")), responses(UserErrors, Unavailable,
    (status = 204, description = "Deleted"),
    (status = 404, body = Problem, description = "No such secret, unknown device, or somebody else's")))]
#[delete("/devices/{id}/credentials/{credential_id}")]
async fn delete_credential(
    db: Data<DbPool>,
    auth: Data<Auth>,
    caller: AuthUser,
    ids: PathIds<DeviceId, CredentialId>,
) -> Result<HttpResponse, ApiError> {
    let PathIds(device, credential) = ids;
    commands::delete(&db, &auth, caller.user_id, device, credential).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Signs a device in: exchanges one of its secrets for an access token. An unknown device and a wrong secret get the
/// same answer.
#[utoipa::path(tag = "devices", request_body(content = DeviceLoginBody), responses(BodyErrors, Unavailable,
    (status = 200, body = DeviceTokenResponse, description = "Signed in"),
    (status = 401, body = Problem, description = "The device or its secret is not right"),
    (status = 422, body = Problem, description = "Something is missing, or has a wrong type")))]
#[post("/auth/device")]
async fn login_device(
    db: Data<SignInDb>,
    auth: Data<Auth>,
    body: Json<DeviceLoginBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(commands::sign_in(&db, &auth, body.0).await?))
}
