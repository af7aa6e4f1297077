//! `GET /data`.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use pulso_shared::clock::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

use super::queries;
use super::response_cache::ResponseCache;
use super::types::{DataQuery, DataRow};
use crate::auth::caller::AuthUser;
use crate::http::error::{ApiError, Problem};
use crate::http::responses::{Unavailable, UserErrors};
use crate::rate_limit::HeavyDb;

pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(list_data);
}

/// The sensor readings of all my servers and other devices, oldest first: as they were sent, or one mean an interval.
///
/// A sensor that was not sent is left out. With `aggregation` each element holds the start of an interval (in UTC) as
/// its `timestamp`, and the mean of all that matches; with `group_by=server`, one for each server. The answer has no
/// pages: it is sent piece by piece, however long it is. Should a piece fail, the transfer breaks off without its end.
#[utoipa::path(tag = "history", security(("bearer" = [])), params(DataQuery), responses(
    UserErrors, Unavailable,
    (status = 200, body = Vec<DataRow>, description = "`[]` where there are none",
        headers(("ETag" = String, description = "Of a short answer"))),
    (status = 304, description = "As in If-None-Match"),
    (status = 404, body = Problem, description = "Unknown server, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start_time` is after `end_time`")))]
#[get("/data")]
async fn list_data(
    request: HttpRequest,
    user: AuthUser,
    query: Query<DataQuery>,
    db: HeavyDb,
    clock: Data<Clock>,
    cache: Data<ResponseCache>,
) -> Result<HttpResponse, ApiError> {
    let wanted = query.parse().map_err(ApiError::Validation)?;
    let export = queries::export(&db, **clock, &cache, user.user_id, wanted).await?;
    Ok(export.respond(&request))
}
