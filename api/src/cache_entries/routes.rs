//! Cache entries over HTTP.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::types::{CacheKey, CacheSetBody, MAX_KEYS};
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::state::AppState;

const NO_ENTRY: ApiError = ApiError::NotFound("cache entry");
const TOO_MANY: ApiError =
    ApiError::Conflict("You have 1,000 cache entries already; delete some, or let them come to their end.");

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(set_entry).service(get_entry).service(delete_entry);
}

/// A cache entry.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"key": "weather/lisbon", "value": {"celsius": 21.5}, "ttl_s": 593}))]
struct CacheEntryResponse {
    /// What it is found by.
    key: String,
    /// What was kept.
    #[schema(value_type = serde_json::Value)]
    value: Box<RawValue>,
    /// What is left of its life, s, rounded up.
    ttl_s: u64,
}

impl CacheEntryResponse {
    fn new(key: CacheKey, value: String, ttl_s: u64) -> Result<Self, ApiError> {
        let value = RawValue::from_string(value).map_err(|error| ApiError::Internal(Box::new(error)))?;
        Ok(Self { key: key.as_str().to_owned(), value, ttl_s })
    }
}

/// Keeps a value under a key, in the place of whatever was there, for `ttl_s` seconds at most.
///
/// A user has up to 1,000 keys, which nobody else sees. It is a cache: a value may be gone before its time.
#[utoipa::path(tag = "cache", security(("bearer" = [])), request_body(content = CacheSetBody), responses(
    (status = 201, body = CacheEntryResponse, description = "Kept"),
    (status = 400, body = Problem, description = "Not JSON"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 409, body = Problem, description = "One key more than 1,000"),
    (status = 422, body = Problem, description = "A key over 256 bytes, a value over 64 KiB, a life over a day, …"),
    (status = 503, body = Problem, description = "The cache is away: try again")))]
#[post("/cache/set")]
async fn set_entry(
    state: Data<AppState>,
    caller: AuthUser,
    body: Json<CacheSetBody>,
) -> Result<HttpResponse, ApiError> {
    let CacheSetBody { key, value, ttl_s } = body.0;
    let ttl_s = ttl_s.as_secs();
    if !state.redis.set_entry(caller.user_id, key.as_str(), &value, ttl_s, MAX_KEYS).await? {
        return Err(TOO_MANY);
    }
    Ok(HttpResponse::Created().json(CacheEntryResponse::new(key, value, ttl_s.into())?))
}

/// The value under a key. A `/` in the key is written `%2F`.
#[utoipa::path(tag = "cache", security(("bearer" = [])),
    params(("key" = String, Path, description = "The key", example = "weather%2Flisbon")), responses(
    (status = 200, body = CacheEntryResponse, description = "It, and how long it will still be there"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Nothing there, or no more"),
    (status = 503, body = Problem, description = "The cache is away: try again")))]
#[get("/cache/get/{key}")]
async fn get_entry(state: Data<AppState>, caller: AuthUser, key: Path<String>) -> Result<HttpResponse, ApiError> {
    let key = CacheKey::try_from(key.into_inner()).map_err(|_| NO_ENTRY)?;
    let entry = state.redis.find_entry(caller.user_id, key.as_str()).await?.ok_or(NO_ENTRY)?;
    Ok(HttpResponse::Ok().json(CacheEntryResponse::new(key, entry.value, entry.ttl_ms.div_ceil(1_000))?))
}

/// Forgets the value under a key. A `/` in the key is written `%2F`.
#[utoipa::path(tag = "cache", security(("bearer" = [])),
    params(("key" = String, Path, description = "The key", example = "weather%2Flisbon")), responses(
    (status = 204, description = "Forgotten"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Nothing there"),
    (status = 503, body = Problem, description = "The cache is away: try again")))]
#[delete("/cache/{key}")]
async fn delete_entry(state: Data<AppState>, caller: AuthUser, key: Path<String>) -> Result<HttpResponse, ApiError> {
    let key = CacheKey::try_from(key.into_inner()).map_err(|_| NO_ENTRY)?;
    if !state.redis.delete_entry(caller.user_id, key.as_str()).await? {
        return Err(NO_ENTRY);
    }
    Ok(HttpResponse::NoContent().finish())
}
