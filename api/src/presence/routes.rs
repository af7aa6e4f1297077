//! The routes that tell who is there.

use actix_web::get;
use actix_web::web::{Data, Json};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;
use utoipa_actix_web::service_config::ServiceConfig;

use super::store::{self, PresenceRow};
use super::timeline_routes;
use super::types::{HealthResponse, PresenceStatus};
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// This domain's routes. `all` comes first: an id takes its place otherwise.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_health).service(get_health).configure(timeline_routes::configure);
}

/// Whether each of my devices is there: all of them, not in pages.
#[utoipa::path(tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = Vec<HealthResponse>, description = "Oldest device first"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/health/all")]
async fn list_health(user: AuthUser, state: Data<AppState>) -> Result<Json<Vec<HealthResponse>>, ApiError> {
    let mut connection = state.db.get().await?;
    let hearing = store::hearing(&mut connection, state.clock.now()).await?;
    let rows = store::list_by_owner(&mut connection, user.user_id).await?;
    Ok(Json(rows.into_iter().map(|row| respond(row, &hearing)).collect()))
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
    state: Data<AppState>,
) -> Result<Json<HealthResponse>, ApiError> {
    let mut connection = state.db.get().await?;
    let hearing = store::hearing(&mut connection, state.clock.now()).await?;
    let row = store::find_by_owner(&mut connection, user.user_id, id.0).await?.ok_or(ApiError::NotFound("device"))?;
    Ok(Json(respond(row, &hearing)))
}

fn respond(row: PresenceRow, hearing: &IngestAvailability) -> HealthResponse {
    HealthResponse {
        server_ulid: row.id,
        server_name: row.name,
        status: PresenceStatus::of(hearing, row.last_seen_at, row.offline_after_s),
        last_seen_at: row.last_seen_at,
    }
}
