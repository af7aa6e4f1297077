//! Cache entries over HTTP.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use utoipa_actix_web::service_config::ServiceConfig;

use super::types::{CacheEntryResponse, CacheSetBody};
use super::{commands, queries};
use crate::auth::caller::AuthUser;
use crate::config::CacheConfig;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::responses::{BodyErrors, Unavailable, UserErrors};
use crate::redis::RedisClient;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(set_entry).service(get_entry).service(delete_entry);
}

/// Keeps a value under a key, in the place of whatever was there, for `ttl_s` seconds at most.
///
/// A user has up to 1,000 keys, which nobody else sees, and 1 MiB for all of them (`CACHE_USER_MAX_BYTES`; a key takes 400
/// bytes more than itself and its value). It is a cache: a value may be gone before its time.
#[utoipa::path(tag = "cache", security(("bearer" = [])), request_body(content = CacheSetBody), responses(
    UserErrors, BodyErrors, Unavailable,
    (status = 201, body = CacheEntryResponse, description = "Kept"),
    (status = 409, body = Problem, description = "One key more than 1,000"),
    (status = 507, body = Problem, description = "No room: of your own, or of all users together"),
    (status = 422, body = Problem, description = "A key over 256 bytes, a value over 64 KiB, a life over a day, …")))]
#[post("/cache/set")]
async fn set_entry(
    redis: Data<RedisClient>,
    config: Data<CacheConfig>,
    caller: AuthUser,
    body: Json<CacheSetBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(commands::set(&redis, &config, caller.user_id, body.0).await?))
}

/// The value under a key. A `/` in the key is written `%2F`.
#[utoipa::path(tag = "cache", security(("bearer" = [])),
    params(("key" = String, Path, description = "The key", example = "weather%2Flisbon")), responses(
    UserErrors, Unavailable,
    (status = 200, body = CacheEntryResponse, description = "It, and how long it will still be there"),
    (status = 404, body = Problem, description = "Nothing there, or no more")))]
#[get("/cache/get/{key}")]
async fn get_entry(redis: Data<RedisClient>, caller: AuthUser, key: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(queries::find(&redis, caller.user_id, key.into_inner()).await?))
}

/// Forgets the value under a key. A `/` in the key is written `%2F`.
#[utoipa::path(tag = "cache", security(("bearer" = [])),
    params(("key" = String, Path, description = "The key", example = "weather%2Flisbon")), responses(
    UserErrors, Unavailable,
    (status = 204, description = "Forgotten"),
    (status = 404, body = Problem, description = "Nothing there")))]
#[delete("/cache/{key}")]
async fn delete_entry(redis: Data<RedisClient>, caller: AuthUser, key: Path<String>) -> Result<HttpResponse, ApiError> {
    commands::delete(&redis, caller.user_id, key.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
