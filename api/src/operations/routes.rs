//! Operations over HTTP.

use actix_web::web::{Data, Json as JsonResponse, Query};
use actix_web::{HttpResponse, delete, get, post};
use pulso_shared::clock::Clock;
use pulso_shared::ids::DeadLetterId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::rates::PipelineSamples;
use super::types::{DeadLetterResponse, PipelineResponse, ReplayBody, ReplayResponse};
use super::{commands, queries};
use crate::auth::caller::AuthAdmin;
use crate::broker::{BrokerAdmin, Publisher};
use crate::db::DbPool;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::extract::page::LimitQuery;
use crate::http::extract::path::PathId;
use crate::http::responses::{AdminErrors, BodyErrors};

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_pipeline).service(list_dead_letters).service(replay_dead_letters).service(delete_dead_letter);
}

/// How the way from the API into the database is doing. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), responses(
    AdminErrors,
    (status = 200, body = PipelineResponse, description = "Its state at this moment"),
    (status = 503, body = Problem, description = "The broker or the database is unavailable")))]
#[get("/admin/pipeline")]
async fn get_pipeline(
    _caller: AuthAdmin,
    broker: Data<BrokerAdmin>,
    publisher: Data<Publisher>,
    db: Data<DbPool>,
    clock: Data<Clock>,
    samples: Data<PipelineSamples>,
) -> Result<JsonResponse<PipelineResponse>, ApiError> {
    Ok(JsonResponse(queries::pipeline_state(&broker, &publisher, &db, &clock, &samples).await?))
}

/// The oldest dead letters: what could not be stored, and why. They stay where they are. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), params(LimitQuery), responses(
    AdminErrors,
    (status = 200, body = [DeadLetterResponse], description = "Oldest first",
        headers(("X-Total-Count" = u32, description = "How many there are in all"))),
    (status = 422, body = Problem, description = "A bad limit"),
    (status = 503, body = Problem, description = "The broker is unavailable, or another request changes them now")))]
#[get("/admin/dead-letters")]
async fn list_dead_letters(
    _caller: AuthAdmin,
    broker: Data<BrokerAdmin>,
    query: Query<LimitQuery>,
) -> Result<HttpResponse, ApiError> {
    let listing = broker.list_dead_letters(query.parse()?.into()).await?;
    let letters: Vec<_> = listing.letters.into_iter().map(DeadLetterResponse::from).collect();
    Ok(HttpResponse::Ok().insert_header(("X-Total-Count", listing.total.to_string())).json(letters))
}

/// Puts dead letters back into the store queue: those named, or all that are there now. What still cannot be stored
/// comes back under a new id. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), request_body(content = Option<ReplayBody>), responses(
    AdminErrors, BodyErrors,
    (status = 200, body = ReplayResponse, description = "What was put back"),
    (status = 503, body = Problem, description = "Nothing was put back: the broker is unavailable, or takes nothing now")))]
#[post("/admin/dead-letters/replay")]
async fn replay_dead_letters(
    caller: AuthAdmin,
    db: Data<DbPool>,
    clock: Data<Clock>,
    broker: Data<BrokerAdmin>,
    body: Json<ReplayBody>,
) -> Result<JsonResponse<ReplayResponse>, ApiError> {
    let replayed = commands::replay(&db, &clock, &broker, caller.0.user_id, &body.0.choice()).await?;
    tracing::info!(administrator = %caller.0.user_id, replayed = replayed.replayed, "dead letters replayed");
    Ok(JsonResponse(ReplayResponse::from(replayed)))
}

/// Throws a dead letter away, for good. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])),
    params(("id" = String, Path, description = "The dead letter's id")), responses(
    AdminErrors,
    (status = 204, description = "It is gone"),
    (status = 404, body = Problem, description = "There is no such dead letter"),
    (status = 503, body = Problem, description = "The broker is unavailable, or another request changes them now")))]
#[delete("/admin/dead-letters/{id}")]
async fn delete_dead_letter(
    caller: AuthAdmin,
    db: Data<DbPool>,
    clock: Data<Clock>,
    broker: Data<BrokerAdmin>,
    id: PathId<DeadLetterId>,
) -> Result<HttpResponse, ApiError> {
    commands::delete(&db, &clock, &broker, caller.0.user_id, id.0).await?;
    tracing::info!(administrator = %caller.0.user_id, dead_letter = %id.0, "dead letter deleted");
    Ok(HttpResponse::NoContent().finish())
}
