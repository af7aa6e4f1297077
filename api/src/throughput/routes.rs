//! The fleet's summary over HTTP.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use utoipa_actix_web::service_config::ServiceConfig;

use super::store;
use super::types::FleetSummaryResponse;
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::presence;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_summary);
}

/// One's own fleet at a glance: devices by status, how much of what they send is accepted and stored, what waits.
#[utoipa::path(tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = FleetSummaryResponse, description = "As it is now; rates over the last whole minute"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 503, body = Problem, description = "The database is away: try again")))]
#[get("/fleet/summary")]
async fn get_summary(state: Data<AppState>, caller: AuthUser) -> Result<HttpResponse, ApiError> {
    let now = state.clock.now();
    let mut connection = state.db.get().await?;
    let hearing = presence::hearing(&mut connection, now).await?;
    let devices = store::count_devices(&mut connection, caller.user_id, &hearing).await?;
    let readings = store::count_readings(&mut connection, caller.user_id, now).await?;
    drop(connection);
    let queue_depth = state.publisher.store_queue_depth().await;
    Ok(HttpResponse::Ok().json(FleetSummaryResponse::new(devices, readings, queue_depth)))
}
