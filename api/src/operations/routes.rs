//! Operations over HTTP.

use actix_web::web::{Data, Json as JsonAnswer, Query};
use actix_web::{HttpResponse, delete, get, post};
use pulso_shared::ids::DeadLetterId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer::{DeadLetterResponse, PipelineResponse, ReplayResponse};
use super::body::ReplayBody;
use super::pipeline;
use crate::auth::caller::AuthAdmin;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::json::Json;
use crate::http::extract::page::LimitQuery;
use crate::http::extract::path::PathId;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_pipeline).service(list_dead_letters).service(replay_dead_letters).service(delete_dead_letter);
}

/// How the way from the API into the database is doing. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), responses(
    (status = 200, body = PipelineResponse, description = "Its state at this moment"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 503, body = Problem, description = "The broker or the database is away")))]
#[get("/admin/pipeline")]
async fn get_pipeline(_caller: AuthAdmin, state: Data<AppState>) -> Result<JsonAnswer<PipelineResponse>, ApiError> {
    Ok(JsonAnswer(pipeline::look(&state).await?))
}

/// The oldest dead letters: what could not be stored, and why. They stay where they are. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), params(LimitQuery), responses(
    (status = 200, body = [DeadLetterResponse], description = "Oldest first",
        headers(("X-Total-Count" = u32, description = "How many there are in all"))),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 422, body = Problem, description = "A bad limit"),
    (status = 503, body = Problem, description = "The broker is away, or somebody else is busy with them")))]
#[get("/admin/dead-letters")]
async fn list_dead_letters(
    _caller: AuthAdmin,
    state: Data<AppState>,
    query: Query<LimitQuery>,
) -> Result<HttpResponse, ApiError> {
    let listing = state.broker.list_dead_letters(query.parse()?.into()).await?;
    let letters: Vec<_> = listing.letters.into_iter().map(DeadLetterResponse::from).collect();
    Ok(HttpResponse::Ok().insert_header(("X-Total-Count", listing.total.to_string())).json(letters))
}

/// Puts dead letters back into the store queue: those named, or all that are there now. What still cannot be stored
/// comes back under a new id. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])), request_body(content = ReplayBody), responses(
    (status = 200, body = ReplayResponse, description = "What was put back"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 422, body = Problem, description = "Something in it is not valid"),
    (status = 503, body = Problem, description = "Nothing was put back: the broker is away, or takes nothing now")))]
#[post("/admin/dead-letters/replay")]
async fn replay_dead_letters(
    caller: AuthAdmin,
    state: Data<AppState>,
    body: Json<ReplayBody>,
) -> Result<JsonAnswer<ReplayResponse>, ApiError> {
    let replayed = state.broker.replay_dead_letters(&body.0.choice()).await?;
    tracing::info!(administrator = %caller.0.user_id, replayed = replayed.replayed, "dead letters replayed");
    Ok(JsonAnswer(ReplayResponse::from(replayed)))
}

/// Throws a dead letter away, for good. For administrators.
#[utoipa::path(tag = "operations", security(("bearer" = [])),
    params(("id" = String, Path, description = "The dead letter's id")), responses(
    (status = 204, description = "It is gone"),
    (status = 401, body = Problem, description = "No or bad access token"),
    (status = 403, body = Problem, description = "Not an administrator"),
    (status = 404, body = Problem, description = "There is no such dead letter"),
    (status = 503, body = Problem, description = "The broker is away, or somebody else is busy with them")))]
#[delete("/admin/dead-letters/{id}")]
async fn delete_dead_letter(
    caller: AuthAdmin,
    state: Data<AppState>,
    id: PathId<DeadLetterId>,
) -> Result<HttpResponse, ApiError> {
    state.broker.delete_dead_letter(id.0).await?;
    tracing::info!(administrator = %caller.0.user_id, dead_letter = %id.0, "dead letter deleted");
    Ok(HttpResponse::NoContent().finish())
}
