//! Presence over HTTP: whether a device is online, and when it was.

use actix_web::web::{Data, Json, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::queries;
use super::types::{HealthResponse, TimelineQuery, TimelineResponse};
use crate::auth::caller::AuthUser;
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::page::{PageQuery, TimeCursor, link_next};
use crate::http::extract::path::PathId;
use crate::rate_limit::HeavyDb;

/// `all` comes before an id.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_health).service(get_health).service(get_timeline);
}

/// Whether each of my devices is there: all of them, not in pages.
#[utoipa::path(tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = Vec<HealthResponse>, description = "Oldest device first"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/health/all")]
async fn list_health(user: AuthUser, db: HeavyDb, clock: Data<Clock>) -> Result<Json<Vec<HealthResponse>>, ApiError> {
    Ok(Json(queries::list_health(&db, user.user_id, clock.now()).await?))
}

/// Whether a device is there: `online` while the newest of what it sent is at most `offline_after_s` old. Time in which
/// Pulso itself could not hear does not count.
#[utoipa::path(tag = "presence", security(("bearer" = [])),
    params(("id" = String, Path, description = "The ULID or UUID of the server, or of any other device")), responses(
    (status = 200, body = HealthResponse, description = "Its status"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/health/{id}")]
async fn get_health(
    id: PathId<DeviceId>,
    user: AuthUser,
    db: Data<DbPool>,
    clock: Data<Clock>,
) -> Result<Json<HealthResponse>, ApiError> {
    let health = queries::find_health(&mut *db.get().await?, user.user_id, id.0, clock.now()).await?;
    Ok(Json(health.ok_or(ApiError::NotFound("device"))?))
}

/// When a device was there: its changes between online and offline, newest first, and its uptime in the range.
///
/// The uptime is that of the whole range, on every page. While there are more changes, `Link` holds the address of the
/// next page.
#[utoipa::path(tag = "presence", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), TimelineQuery, PageQuery), responses(
    (status = 200, body = TimelineResponse, description = "Its timeline",
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more changes"))),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start` is after `end`"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/timeline")]
async fn get_timeline(
    id: PathId<DeviceId>,
    user: AuthUser,
    query: Query<TimelineQuery>,
    page: Query<PageQuery>,
    db: HeavyDb,
    clock: Data<Clock>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (asked, page) = page.parse_beside::<_, TimeCursor>(query.parse())?;
    let (timeline, next) = queries::find_timeline(&db, **clock, user.user_id, id.0, asked, page).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        link_next(&mut response, &request, &next.to_string());
    }
    Ok(response.json(timeline))
}
