//! The fleet's summary over HTTP.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::queries;
use super::types::FleetSummaryResponse;
use crate::auth::caller::AuthUser;
use crate::broker::Publisher;
use crate::http::error::{ApiError, Problem};
use crate::rate_limit::HeavyDb;

pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_summary);
}

/// One's own fleet at a glance: devices by status, how much of what they send is accepted and stored, what waits.
#[utoipa::path(tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = FleetSummaryResponse, description = "As it is now; rates over the last whole minute"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 503, body = Problem, description = "The database is unavailable: try again")))]
#[get("/fleet/summary")]
async fn get_summary(
    db: HeavyDb,
    publisher: Data<Publisher>,
    clock: Data<Clock>,
    caller: AuthUser,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(queries::summarize(&db, &publisher, caller.user_id, clock.now()).await?))
}
