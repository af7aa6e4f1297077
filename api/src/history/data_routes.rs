//! `GET /data`: the readings of all of a person's devices. Not paged but streamed, piece by piece, and each piece is
//! made when the client has taken the one before.

use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::{StreamExt, stream};
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::Reader;
use super::answers::Question;
use super::data_points::PointPieces;
use super::data_query::{DataQuery, DataWanted};
use super::data_raw::{DataRow, RowPieces};
use super::grid::Step;
use super::partials::Scope;
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::etag::Tagged;
use crate::http::request_id::RequestId;
use crate::state::AppState;

/// The route.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_data);
}

/// The sensor readings of all my servers and other devices, oldest first: as they were sent, or one mean an interval.
///
/// A sensor that was not sent is left out. With `aggregation` each element holds the start of an interval (in UTC) as
/// its `timestamp`, and the mean of all that matches; with `group_by=server`, one for each server. The answer has no
/// pages: it is sent piece by piece, however long it is. Should a piece fail, the transfer breaks off without its end.
#[utoipa::path(tag = "history", security(("bearer" = [])), params(DataQuery), responses(
    (status = 200, body = Vec<DataRow>, description = "`[]` where there are none",
        headers(("ETag" = String, description = "Of a short answer"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 403, body = Problem, description = "A device's token"),
    (status = 404, body = Problem, description = "Unknown server, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start_time` is after `end_time`"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/data")]
async fn list_data(
    request: HttpRequest,
    user: AuthUser,
    query: Query<DataQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let wanted = query.parse().map_err(ApiError::Validation)?;
    let scope = find_scope(&state, user, &wanted).await?;
    match wanted.step {
        None => answer(RowPieces::find(state, scope, &wanted).await?, &request).await,
        Some(step) => answer_means(state, scope, step, wanted, &request).await,
    }
}

async fn find_scope(state: &AppState, user: AuthUser, wanted: &DataWanted) -> Result<Scope, ApiError> {
    let Some(server) = wanted.server else { return Ok(Scope::Owner(user.user_id)) };
    let device = Reader::User(user.user_id).find(&mut *state.db.get().await?, server).await;
    device.map(|device| Scope::Device(device.id)).map_err(|error| match error {
        ApiError::NotFound(_) => ApiError::NotFound("server"),
        other => other,
    })
}

/// Answers with means, out of memory where they are there and still true.
async fn answer_means(
    state: Data<AppState>,
    scope: Scope,
    step: Step,
    wanted: DataWanted,
    request: &HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let question = Question { scope, wanted };
    if let Some(known) = state.answers.find(&state.db, &question).await? {
        return Ok(known.respond(request, mime()));
    }
    let mut pieces = PointPieces::new(state.clone(), scope, step, &question.wanted);
    let first = begin(&mut pieces).await?;
    let Some(version) = pieces.version() else { return Ok(go_on(first, pieces, request)) };
    let whole = Tagged::new(first);
    state.answers.keep(question, version, whole.clone()).await;
    Ok(whole.respond(request, mime()))
}

/// An answer in pieces.
pub trait Pieces {
    /// The next piece; `None` behind the last one.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError>;

    /// Whether there is no other piece.
    fn is_complete(&self) -> bool;
}

/// Answers with the pieces.
async fn answer(mut pieces: impl Pieces + 'static, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let first = begin(&mut pieces).await?;
    Ok(go_on(first, pieces, request))
}

/// The first piece. It is made before anything is sent, so that a failure can still be told.
async fn begin(pieces: &mut impl Pieces) -> Result<Bytes, ApiError> {
    Ok(pieces.next().await?.unwrap_or_default())
}

/// Sends the first piece, and makes and sends the others.
fn go_on(first: Bytes, pieces: impl Pieces + 'static, request: &HttpRequest) -> HttpResponse {
    if pieces.is_complete() {
        return Tagged::new(first).respond(request, mime());
    }
    let id = RequestId::of_request(request);
    let rest = stream::try_unfold(pieces, async |mut pieces| Ok(pieces.next().await?.map(|piece| (piece, pieces))));
    let rest = rest.inspect(move |piece: &Result<Bytes, ApiError>| {
        if let Err(error) = piece {
            tracing::error!(request_id = id.as_str(), %error, cause = error.cause(), "answer broken off");
        }
    });
    let all = stream::once(std::future::ready(Ok(first))).chain(rest);
    HttpResponse::Ok().insert_header(ContentType::json()).streaming(all)
}

fn mime() -> &'static str {
    crate::http::extract::accept::Format::Json.media_type()
}
