//! The routes that read a device's history back.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, get};
use pulso_shared::ids::DeviceId;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::Reader;
use super::rows::{HeartbeatRow, LatestResponse, ReadingRow};
use super::store;
use super::stretch::{Cursor, Stretch};
use super::types::HistoryQuery;
use crate::error::{ApiError, Problem};
use crate::extract::page::{Page, PageQuery};
use crate::extract::path::PathId;
use crate::state::AppState;

/// This domain's routes.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    routes.service(get_latest).service(list_heartbeats).service(list_readings);
}

/// The newest heartbeat and the newest sensor reading of a device, milliseconds after they were accepted.
///
/// For the device's owner, and for the device itself.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID")), responses(
    (status = 200, body = LatestResponse, description = "`null` where the device has sent none"),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/latest")]
async fn get_latest(id: PathId<DeviceId>, reader: Reader, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let mut connection = state.db.get().await?;
    let device = reader.find(&mut connection, id.0).await?;
    let latest = store::load_latest(&mut connection, &[device]).await?.remove(&device.id).unwrap_or_default();
    let (heartbeat, reading) = (latest.heartbeat, latest.reading);
    Ok(HttpResponse::Ok().json(LatestResponse { device_id: device.id, heartbeat, reading }))
}

/// The heartbeats of a device as they were sent, newest first, or oldest first with order=asc.
///
/// For the device's owner, and for the device itself. A page holds `limit` heartbeats; while there are more, `Link`
/// holds the address of the next page. Pages stay in step while heartbeats are added.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), HistoryQuery, PageQuery), responses(
    (status = 200, body = Vec<HeartbeatRow>, description = "What was not sent is left out",
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more"))),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start` is after `end`"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/heartbeats")]
async fn list_heartbeats(
    id: PathId<DeviceId>,
    reader: Reader,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (stretch, page) = parse(&query, &page)?;
    let mut connection = state.db.get().await?;
    let device = reader.find(&mut connection, id.0).await?;
    let rows = store::list_heartbeats(&mut connection, &device, stretch, page.fetch_limit()).await?;
    Ok(page.respond(&request, rows, |row: &HeartbeatRow| Cursor(row.timestamp)))
}

/// The sensor readings of a device as they were sent; otherwise as the heartbeats.
#[utoipa::path(tag = "history", security(("bearer" = [])),
    params(("id" = String, Path, description = "The device's ULID or UUID"), HistoryQuery, PageQuery), responses(
    (status = 200, body = Vec<ReadingRow>, description = "What was not sent is left out",
        headers(("Link" = String, description = "`<…>; rel=\"next\"` while there are more"))),
    (status = 401, body = Problem, description = "No or bad credential"),
    (status = 404, body = Problem, description = "Unknown device, or somebody else's"),
    (status = 422, body = Problem, description = "A parameter is not valid, or `start` is after `end`"),
    (status = 503, body = Problem, description = "Try again")))]
#[get("/devices/{id}/readings")]
async fn list_readings(
    id: PathId<DeviceId>,
    reader: Reader,
    query: Query<HistoryQuery>,
    page: Query<PageQuery>,
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (stretch, page) = parse(&query, &page)?;
    let mut connection = state.db.get().await?;
    let device = reader.find(&mut connection, id.0).await?;
    let rows = store::list_readings(&mut connection, &device, stretch, page.fetch_limit()).await?;
    Ok(page.respond(&request, rows, |row: &ReadingRow| Cursor(row.timestamp)))
}

/// Checks both parts of the query, so that the faults of both are told at once.
fn parse(query: &HistoryQuery, page: &PageQuery) -> Result<(Stretch, Page<Cursor>), ApiError> {
    match (query.parse(), page.parse::<Cursor>()) {
        (Ok(stretch), Ok(page)) => Ok((stretch.after(page.after), page)),
        (Err(mut faults), Err(ApiError::Validation(more))) => {
            faults.extend(more);
            Err(ApiError::Validation(faults))
        }
        (_, Err(error)) => Err(error),
        (Err(faults), _) => Err(ApiError::Validation(faults)),
    }
}
